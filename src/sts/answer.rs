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

/// The expiration that an STS states, by our clock and in whole seconds. It is never later than stated.
///
/// # Errors
/// When the session has expired by one of the clocks.
pub(super) fn expiration(stated: Timestamp, arrival: Arrival) -> Result<Timestamp, StsOutage> {
    let left = arrival.there.map(|there| stated.duration_since(there));
    let by_us = left.and_then(|left| arrival.here.checked_add(left).ok()).unwrap_or(stated);
    let earliest = stated.min(by_us);
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
    fn the_clock_of_the_server_counts_and_the_result_is_not_later_than_stated() {
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
            assert_eq!(expiration(at(stated), arrival).ok(), expected.map(at), "{stated} {here} {there:?}");
        }
        let before = Timestamp::new(-5, -1).unwrap();
        assert_eq!(floor(before), -6);
    }
}
