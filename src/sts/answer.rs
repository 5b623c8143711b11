//! When a session expires by our own clock.

use jiff::Timestamp;

use super::failure::StsOutage;

/// When an answer arrived, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// By our clock.
    pub(super) here: Timestamp,
    /// By the clock of the server, from the header `Date`.
    pub(super) there: Option<Timestamp>,
}

/// The expiration that an STS states, by our clock and in whole seconds. It is never later than stated, and
/// never later than `latest`: neither the clock of the STS nor the header `Date`, which a proxy may set, can
/// prolong a session.
///
/// # Errors
/// When the session has expired by one of the clocks.
pub(super) fn expiration(
    stated: Timestamp,
    arrival: Arrival,
    latest: Timestamp,
) -> Result<Timestamp, StsOutage> {
    let left = arrival.there.map(|there| stated.duration_since(there));
    let by_us = left.and_then(|left| arrival.here.checked_add(left).ok()).unwrap_or(stated);
    let earliest = stated.min(by_us).min(latest);
    let whole = Timestamp::from_second(floor(earliest)).map_err(|_| StsOutage::Expired)?;
    if whole > arrival.here { Ok(whole) } else { Err(StsOutage::Expired) }
}

/// The second in which a time is.
fn floor(time: Timestamp) -> i64 {
    time.as_second() - i64::from(time.subsec_nanosecond() < 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_the_server_counts_and_no_clock_prolongs_a_session() {
        let at = |text: &str| format!("2030-01-01T{text}Z").parse::<Timestamp>().unwrap();
        for (stated, here, there, expected) in [
            ("01:00:00", "00:00:00", Some("00:00:00"), Some("01:00:00")),
            ("01:00:00", "00:00:00", None, Some("01:00:00")),
            // Our clock is behind: the session ends earlier by it.
            ("01:00:00", "00:00:00", Some("00:10:00"), Some("00:50:00")),
            // Our clock is ahead: what is stated is the limit.
            ("01:00:00", "00:10:00", Some("00:00:00"), Some("01:00:00")),
            ("01:00:00.9", "00:00:00.2", Some("00:00:00"), Some("01:00:00")),
            ("01:00:00", "01:00:00", None, None),
            ("01:00:00", "00:30:00", Some("01:00:00"), None),
            ("01:00:00", "02:00:00", Some("00:00:00"), None),
        ] {
            let arrival = Arrival { here: at(here), there: there.map(at) };
            let latest = at("01:30:00");
            let found = expiration(at(stated), arrival, latest).ok();
            assert_eq!(found, expected.map(at), "{stated} {here} {there:?}");
        }
        // An STS whose clock is ahead, behind a proxy that sets `Date` itself, or that sends none.
        for there in [Some(at("00:00:00")), None] {
            let arrival = Arrival { here: at("00:00:00"), there };
            assert_eq!(expiration(at("01:05:00"), arrival, at("01:00:00")).ok(), Some(at("01:00:00")));
            let far = "9000-01-01T00:00:00Z".parse().unwrap();
            assert_eq!(expiration(far, arrival, at("01:00:00")).ok(), Some(at("01:00:00")));
        }
        let before = Timestamp::new(-5, -1).unwrap();
        assert_eq!(floor(before), -6);
    }
}
