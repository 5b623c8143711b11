//! Measures the difference between our wall clock and that of the API server, from the header `Date` of
//! its answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::DATE;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::runtime::clock::Clock;

/// The greatest difference that is not a skew, in seconds.
const TOLERATED: i64 = 30;
/// How many answers in a row must agree before the result changes.
const IN_A_ROW: u8 = 3;
/// The longest time between a request and its answer. A slower answer is not used.
const ROUND_TRIP: Duration = Duration::from_secs(2);

/// The measured difference between our clock and that of the API server. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Skew {
    clock: Clock,
    gauge: Gauge,
    measured: Arc<Mutex<Measured>>,
}

/// When a request was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    wall: Timestamp,
    monotonic: Instant,
}

impl Skew {
    /// Measures against `clock`, and registers `clock_skew_seconds`.
    #[must_use]
    pub fn register(registry: &mut Registry, clock: Clock) -> Self {
        let skew = Self { clock, ..Self::default() };
        let help = "How far the clock of this process is ahead of the API server's, in seconds";
        registry.register("clock_skew_seconds", help, skew.gauge.clone());
        skew
    }

    /// Whether the clocks differ by more than 30 seconds. Three measurements in a row have to agree
    /// before this changes.
    #[must_use]
    pub fn is_skewed(&self) -> bool {
        self.measured().is_skewed
    }

    /// How many seconds our clock is ahead of that of the API server, by the last measurement. Negative
    /// when it is behind. The value is wrong by up to two seconds.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.measured().seconds
    }

    /// Our clock.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Notes the time at which a request is sent.
    pub(super) fn sent(&self) -> Sent {
        Sent { wall: self.clock.now(), monotonic: Instant::now() }
    }

    /// Measures when the head of the answer has arrived.
    pub(super) fn received(&self, sent: Sent, headers: &HeaderMap) {
        if sent.monotonic.elapsed() > ROUND_TRIP {
            return;
        }
        let date = headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?));
        let measurement = date.and_then(|date| Measurement::new(sent.wall, date, self.clock.now()));
        let Some(measurement) = measurement else { return };
        let seconds = measurement.seconds();
        self.gauge.set(seconds);
        let change = self.measured().add(measurement);
        match change {
            Some(SkewChange::Begun) => {
                tracing::warn!(seconds, "the clock of this machine differs from the API server's");
            }
            Some(SkewChange::Ended) => {
                tracing::info!(seconds, "the clock of this machine agrees with the API server's again");
            }
            None => {}
        }
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parses a time in the format of HTTP.
#[must_use]
pub fn http_date(text: &str) -> Option<Timestamp> {
    const PARSER: DateTimeParser = DateTimeParser::new();
    PARSER.parse_timestamp(text.trim()).ok()
}

/// The difference by one answer. All three times are cut to the whole second, so only bounds of the
/// difference are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Measurement {
    least: i64,
    most: i64,
}

impl Measurement {
    /// A measurement from the times of sending and receiving by our clock, and the time of answering by
    /// the clock of the API server. `None` if our clock was set in between.
    fn new(sent: Timestamp, answered: Timestamp, received: Timestamp) -> Option<Self> {
        let [sent, answered, received] = [sent, answered, received].map(Timestamp::as_second);
        let longest = ROUND_TRIP.as_secs().cast_signed() + 1;
        let is_plausible = (0..=longest).contains(&(received - sent));
        is_plausible.then_some(Self { least: sent - answered - 1, most: received - answered + 1 })
    }

    /// The middle of the bounds.
    fn seconds(self) -> i64 {
        i64::midpoint(self.least, self.most)
    }

    /// Whether the difference is greater than tolerated; `None` if the bounds do not decide that.
    fn is_beyond(self) -> Option<bool> {
        let Self { least, most } = self;
        if least >= TOLERATED || most <= -TOLERATED {
            return Some(true);
        }
        (least >= -TOLERATED && most <= TOLERATED).then_some(false)
    }
}

/// The result of the measurements so far.
#[derive(Debug, Default)]
struct Measured {
    is_skewed: bool,
    seconds: i64,
    /// How many measurements in a row contradict `is_skewed`.
    contradicting: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SkewChange {
    Begun,
    Ended,
}

impl Measured {
    fn add(&mut self, measurement: Measurement) -> Option<SkewChange> {
        self.seconds = measurement.seconds();
        let contradicts = measurement.is_beyond().is_some_and(|is_beyond| is_beyond != self.is_skewed);
        self.contradicting = if contradicts { self.contradicting + 1 } else { 0 };
        if self.contradicting < IN_A_ROW {
            return None;
        }
        self.contradicting = 0;
        self.is_skewed = !self.is_skewed;
        Some(if self.is_skewed { SkewChange::Begun } else { SkewChange::Ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A measurement with our clock `ahead` seconds ahead of the server when a request is sent, and with
    /// an answer that takes `takes` seconds.
    fn measurement(ahead: i64, takes: i64) -> Option<Measurement> {
        Measurement::new(at(SERVER + ahead), at(SERVER), at(SERVER + ahead + takes))
    }

    #[test]
    fn reads_the_dates_of_http() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(at(784_111_777)));
        for text in ["", "Sun, 06 Nov 1994", "784111777", "Sun, 06 Nov 1994 25:49:37 GMT"] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }

    #[test]
    fn only_what_is_certain_in_spite_of_whole_seconds_counts() {
        for (ahead, takes, expected) in [
            (0, 0, Some(false)),
            (0, 2, Some(false)),
            (29, 0, Some(false)),
            // The clocks may differ by 29.1 or by 30.9 seconds.
            (30, 0, None),
            (28, 2, None),
            (31, 0, Some(true)),
            (31, 3, Some(true)),
            (86_400, 0, Some(true)),
            (-29, 0, Some(false)),
            (-30, 0, None),
            (-31, 0, Some(true)),
            (-31, 1, None),
            (-34, 3, Some(true)),
        ] {
            let found = measurement(ahead, takes).unwrap().is_beyond();
            assert_eq!(found, expected, "{ahead} ahead, {takes} s");
        }
    }

    #[test]
    fn an_answer_during_which_the_clock_moved_says_nothing() {
        assert_eq!(measurement(0, -1), None);
        assert_eq!(measurement(0, 4), None);
        assert_eq!(measurement(0, 3).map(Measurement::seconds), Some(1));
    }

    #[test]
    fn three_in_a_row_are_needed_to_begin_and_to_end() {
        const BEGUN: Option<SkewChange> = Some(SkewChange::Begun);
        const ENDED: Option<SkewChange> = Some(SkewChange::Ended);
        let mut measured = Measured::default();
        for (step, (ahead, expected)) in [
            (60, None),
            (60, None),
            (0, None),
            (60, None),
            // The bounds of this measurement do not decide whether there is a skew.
            (30, None),
            (60, None),
            (60, None),
            (60, BEGUN),
            (60, None),
            (0, None),
            (0, None),
            (30, None),
            (0, None),
            (0, None),
            (0, ENDED),
            (-60, None),
            (-60, None),
            (-60, BEGUN),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(measured.add(measurement(ahead, 0).unwrap()), expected, "step {step}: {ahead}");
            assert_eq!(measured.seconds, ahead, "step {step}");
        }
        assert!(measured.is_skewed);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_took_long_is_not_used() {
        let (clock, offset) = Clock::adjustable();
        let skew = Skew { clock: clock.clone(), ..Skew::default() };
        offset.set(3600);
        let date = jiff::fmt::rfc2822::DateTimePrinter::new();
        let date = date.timestamp_to_rfc9110_string(&at(clock.now().as_second() - 3600)).unwrap();
        let headers = HeaderMap::from_iter([(DATE, date.parse().unwrap())]);
        for _ in 0..3 {
            let sent = skew.sent();
            tokio::time::advance(Duration::from_millis(2001)).await;
            skew.received(sent, &headers);
        }
        assert_eq!((skew.is_skewed(), skew.seconds()), (false, 0));
        // More than three are measured, because the machine may stall during one of them.
        for _ in 0..100 {
            let sent = skew.sent();
            tokio::time::advance(ROUND_TRIP).await;
            skew.received(sent, &headers);
        }
        assert!(skew.is_skewed());
    }
}
