//! The wall clock, and its jumps.
//!
//! This is the only file that may ask the system for the time of day. What a time means (due, expired)
//! is decided elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use futures::Stream;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Interval, MissedTickBehavior};

/// How far the wall clock may drift from the monotonic one before it counts as a jump.
///
/// Readings are whole seconds, so a difference of two readings is wrong by up to one second.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

/// The wall clock, in whole seconds. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_seconds: Arc<AtomicI64>,
    simulated: Option<Simulated>,
}

/// A wall clock that follows the time of tokio.
#[derive(Clone, Copy, Debug)]
struct Simulated {
    start: Timestamp,
    begun: tokio::time::Instant,
}

/// A handle that moves the [`Clock`] it was made with, and all clones of that clock.
#[derive(Clone, Debug)]
pub struct ClockOffset {
    offset_seconds: Arc<AtomicI64>,
}

impl Clock {
    /// The clock of the system.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that starts at the time of the system and is moved by the handle, for tests.
    #[must_use]
    pub fn adjustable() -> (Self, ClockOffset) {
        let clock = Self::default();
        let offset_seconds = Arc::clone(&clock.offset_seconds);
        (clock, ClockOffset { offset_seconds })
    }

    /// A clock that shows `start` now and follows the time of tokio, which a test can pause. The handle
    /// moves it.
    #[must_use]
    pub fn simulated(start: Timestamp) -> (Self, ClockOffset) {
        let (clock, offset) = Self::adjustable();
        let simulated = Some(Simulated { start, begun: tokio::time::Instant::now() });
        (Self { simulated, ..clock }, offset)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for the time")]
    fn unmoved(&self) -> Timestamp {
        let Some(Simulated { start, begun }) = self.simulated else { return Timestamp::now() };
        let elapsed = SignedDuration::try_from(begun.elapsed()).unwrap_or(SignedDuration::MAX);
        start.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// The time of day, cut to the whole second.
    ///
    /// Kubernetes and signatures use whole seconds. A time that is written and read again is therefore
    /// equal.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let offset = self.offset_seconds.load(Ordering::Relaxed);
        let second = self.unmoved().as_second().saturating_add(offset);
        let limit = if offset < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_second(second).unwrap_or(limit)
    }

    /// How long it takes until [`now`](Self::now) returns `time`. The result is at most a millisecond too
    /// long and never too short; zero if the time has passed.
    #[must_use]
    pub fn until(&self, time: Timestamp) -> Duration {
        let offset = SignedDuration::from_secs(self.offset_seconds.load(Ordering::Relaxed));
        let left = time.duration_since(self.unmoved()).saturating_sub(offset);
        Duration::try_from(left).map_or(Duration::ZERO, |left| left + Duration::from_millis(1))
    }
}

impl ClockOffset {
    /// Sets the clock this many seconds ahead of the system (behind it, when negative).
    pub fn set(&self, seconds: i64) {
        self.offset_seconds.store(seconds, Ordering::Relaxed);
    }

    /// Moves the clock forward by this many seconds from its current offset.
    pub fn advance(&self, seconds: i64) {
        self.offset_seconds.fetch_add(seconds, Ordering::Relaxed);
    }
}

/// Waits until `time`; for ever if there is none.
pub async fn sleep_until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Yields each time the wall clock has moved by more than 2 s against the monotonic clock.
///
/// Checks once in `every` (which must not be zero), so a jump is noticed that much later at most. Timers
/// run on the monotonic clock. It does not follow a corrected wall clock, and it stops while the machine
/// is suspended. Code that waits for a time of day must therefore compute its wait again after a jump.
///
/// # Guarantees
/// One item per jump, forward or backward. Several small steps add up. The stream never ends.
pub fn jumps(clock: Clock, every: Duration) -> impl Stream<Item = ()> + Send + 'static {
    futures::stream::unfold(Stopwatch::new(clock, every), |mut watch| async move {
        watch.jump().await;
        Some(((), watch))
    })
}

struct Stopwatch {
    clock: Clock,
    ticks: Interval,
    wall: Timestamp,
    monotonic: Reading,
}

/// A reading of the monotonic clock. It is that of std, because a test that pauses the time of tokio does
/// not stop the wall clock. It is that of tokio when the wall clock is simulated by it.
enum Reading {
    Std(Instant),
    Tokio(tokio::time::Instant),
}

impl Reading {
    fn now(clock: &Clock) -> Self {
        match clock.simulated {
            None => Self::Std(Instant::now()),
            Some(_) => Self::Tokio(tokio::time::Instant::now()),
        }
    }

    fn elapsed(&self) -> Duration {
        match self {
            Self::Std(instant) => instant.elapsed(),
            Self::Tokio(instant) => instant.elapsed(),
        }
    }
}

impl Stopwatch {
    fn new(clock: Clock, every: Duration) -> Self {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let wall = clock.now();
        let monotonic = Reading::now(&clock);
        Self { clock, ticks, wall, monotonic }
    }

    async fn jump(&mut self) {
        loop {
            self.ticks.tick().await;
            let drift = self.drift();
            if drift.abs() > TOLERANCE {
                self.wall = self.clock.now();
                self.monotonic = Reading::now(&self.clock);
                tracing::info!(seconds = drift.as_secs(), "the wall clock jumped");
                return;
            }
        }
    }

    fn drift(&self) -> SignedDuration {
        let wall = self.clock.now().duration_since(self.wall);
        let monotonic = SignedDuration::try_from(self.monotonic.elapsed()).unwrap_or(SignedDuration::MAX);
        wall.saturating_sub(monotonic)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::{FutureExt, StreamExt};

    use super::*;

    const TICK: Duration = Duration::from_secs(10);

    #[test]
    fn tells_whole_seconds() {
        assert_eq!(Clock::system().now().subsec_nanosecond(), 0);
    }

    #[test]
    fn every_clone_follows_the_offset() {
        let (clock, offset) = Clock::adjustable();
        let clone = clock.clone();
        let begun = std::time::Instant::now();
        let before = clone.now();
        offset.set(3600);
        offset.advance(60);
        let moved = clone.now().duration_since(before).as_secs();
        let took = i64::try_from(begun.elapsed().as_secs()).unwrap() + 1;
        assert!((3660..=3660 + took).contains(&moved), "{moved}");
    }

    #[test]
    fn an_absurd_offset_stops_at_the_end_of_time() {
        let (clock, offset) = Clock::adjustable();
        offset.set(i64::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
        offset.set(i64::MIN);
        assert_eq!(clock.now(), Timestamp::MIN);
    }

    #[tokio::test(start_paused = true)]
    async fn yields_once_for_each_jump_in_either_direction() {
        let (clock, offset) = Clock::adjustable();
        let mut jumps = pin!(jumps(clock, TICK));
        for seconds in [3600, -3600, -4] {
            offset.advance(seconds);
            assert_eq!(jumps.next().await, Some(()), "{seconds}");
            tokio::time::advance(TICK * 2).await;
            assert_eq!(jumps.next().now_or_never(), None, "{seconds}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn small_steps_pass_until_they_add_up() {
        let (clock, offset) = Clock::adjustable();
        let mut jumps = pin!(jumps(clock, TICK));
        offset.advance(1);
        tokio::time::advance(TICK).await;
        assert_eq!(jumps.next().now_or_never(), None);
        offset.advance(3);
        assert_eq!(jumps.next().await, Some(()));
    }
}
