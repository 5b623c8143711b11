//! When the URLs of a volume were signed, are renewed and expire.

use jiff::{SignedDuration, Timestamp};

use crate::domain::Validity;
use crate::domain::request::Overlap;

/// The times of a volume. Its URLs change together, so the first renewal and the first expiry count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VolumeTimes {
    /// When the URLs were signed.
    pub signing_time: Timestamp,
    /// When the next URLs are due.
    pub renewal_time: Timestamp,
    /// When the first URL expires.
    pub expiration_time: Timestamp,
}

impl VolumeTimes {
    /// The times of URLs; `None` if there are none. `seed`, a hash of the volume, spreads the renewals of
    /// many volumes.
    #[must_use]
    pub fn of(urls: impl IntoIterator<Item = (Validity, Overlap)>, seed: u32) -> Option<Self> {
        let each = urls.into_iter().map(|(validity, overlap)| Self {
            signing_time: validity.signing_time,
            renewal_time: validity.renewal_time(overlap, seed),
            expiration_time: validity.expiration_time(),
        });
        each.reduce(|one, other| Self {
            signing_time: one.signing_time.max(other.signing_time),
            renewal_time: one.renewal_time.min(other.renewal_time),
            expiration_time: one.expiration_time.min(other.expiration_time),
        })
    }

    /// Whether all URLs work at `now`.
    #[must_use]
    pub fn are_alive(&self, now: Timestamp) -> bool {
        now < self.expiration_time
    }

    /// Whether half of the time between renewal and expiry has passed.
    #[must_use]
    pub fn are_late(&self, now: Timestamp) -> bool {
        now.duration_since(self.renewal_time) * 2 > self.expiration_time.duration_since(self.renewal_time)
            && now > self.renewal_time
    }

    /// The seconds until the first URL expires; `None` if it has.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Option<u32> {
        let left = self.expiration_time.duration_since(now);
        u32::try_from(left.as_secs()).ok().filter(|_| left > SignedDuration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::at;

    /// Signed at 0, renewed at 600, expires at 900.
    fn times() -> VolumeTimes {
        VolumeTimes { signing_time: at(0), renewal_time: at(600), expiration_time: at(900) }
    }

    #[test]
    fn a_url_is_late_in_the_second_half_of_its_overlap() {
        for (now, is_late) in [(0, false), (600, false), (750, false), (751, true), (900, true)] {
            assert_eq!(times().are_late(at(now)), is_late, "{now}");
        }
        // There is no overlap, so nothing of it can have passed.
        let without = VolumeTimes { renewal_time: at(900), ..times() };
        assert!(!without.are_late(at(900)) && without.are_late(at(901)));
        let passed = VolumeTimes { renewal_time: at(1000), ..times() };
        assert!(!passed.are_late(at(950)), "it is not due yet");
    }

    #[test]
    fn nothing_is_left_of_a_url_at_its_end() {
        for (now, left) in [(0, Some(900)), (899, Some(1)), (900, None), (901, None)] {
            assert_eq!(times().left(at(now)), left, "{now}");
            assert_eq!(times().are_alive(at(now)), left.is_some(), "{now}");
        }
    }

    #[test]
    fn several_urls_have_the_earliest_end() {
        let validity = |signed: i64, lifetime| Validity { signing_time: at(signed), lifetime };
        let urls = [validity(0, 900), validity(10, 600), validity(5, 3600)];
        let times = VolumeTimes::of(urls.map(|validity| (validity, Overlap::Seconds(100))), 0).unwrap();
        let renewed: Vec<_> = urls.iter().map(|url| url.renewal_time(Overlap::Seconds(100), 0)).collect();
        assert_eq!((times.signing_time, times.expiration_time), (at(10), at(610)));
        assert_eq!(Some(&times.renewal_time), renewed.iter().min());
        assert_eq!(VolumeTimes::of([], 0), None);
    }
}
