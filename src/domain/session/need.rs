//! When a session at hand serves a new URL.

use jiff::Timestamp;

/// What a new URL needs of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionNeed {
    /// When the URL expires if the session does not end before.
    pub until: Timestamp,
    /// When the current URL expires, if the new one has to live longer.
    pub longer_than: Option<Timestamp>,
}

/// How long a session is as good as another one that would be requested now, in seconds.
const NEW: i64 = 60;

/// Whether a session that was requested at `begun` and expires at `expiration` serves a new URL at `now`:
/// it outlives the URL, or three quarters of it remain, so that the URL expires with it. Many URLs that
/// are due at different times thus share few sessions.
#[must_use]
pub fn is_reusable(begun: Timestamp, expiration: Timestamp, need: SessionNeed, now: Timestamp) -> bool {
    let (whole, left) =
        (expiration.as_second() - begun.as_second(), expiration.as_second() - now.as_second());
    let is_young = left > 0 && left * 4 >= whole * 3;
    let is_longer = need.longer_than.is_none_or(|current| expiration > current);
    // An STS that issues shorter sessions than before would be asked again and again.
    let is_new = (0..NEW).contains(&(now.as_second() - begun.as_second()));
    (expiration >= need.until || is_young) && (is_longer || is_new) && left > 0
}

/// The shortest time that a session must last to be used instead of one that cannot be got, in seconds.
const LEAST_LEFT: i64 = 60;

/// Whether a session at hand serves while no other can be got. A URL that ends early is better than none, and
/// one that lives longer than the current one is better than that.
#[must_use]
pub fn is_better_than_none(expiration: Timestamp, need: SessionNeed, now: Timestamp) -> bool {
    let left = expiration.as_second() - now.as_second();
    left >= LEAST_LEFT && need.longer_than.is_none_or(|current| expiration > current)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::at;

    #[test]
    fn a_session_serves_while_it_outlives_the_url_or_three_quarters_remain() {
        let need = |until, longer_than: Option<i64>| SessionNeed {
            until: at(until),
            longer_than: longer_than.map(at),
        };
        for (need, now, expected) in [
            (need(3600, None), 0, true),
            (need(4500, None), 900, true),
            (need(4501, None), 901, false),
            (need(3600, None), 3500, true),
            (need(3601, None), 3500, false),
            (need(4000, Some(3599)), 100, true),
            (need(4000, Some(3600)), 100, false),
            (need(4000, Some(3600)), 59, true),
            (need(3600, Some(3600)), 3000, false),
            (need(3600, None), 3600, false),
            (need(9999, None), -1000, true),
        ] {
            assert_eq!(is_reusable(at(0), at(3600), need, at(now)), expected, "{need:?} {now}");
        }
    }

    #[test]
    fn without_another_session_one_serves_that_lasts_a_minute_and_prolongs_the_url() {
        for (longer_than, now, expected) in [
            (None, 3540, true),
            (None, 3541, false),
            (Some(3599), 1800, true),
            (Some(3600), 1800, false),
            (Some(3000), 3541, false),
        ] {
            let need = SessionNeed { until: at(9999), longer_than: longer_than.map(at) };
            assert_eq!(is_better_than_none(at(3600), need, at(now)), expected, "{need:?} {now}");
        }
    }
}
