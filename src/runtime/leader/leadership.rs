//! Whether this process leads and may write, and until when. An elector grants it and a client asks it.
//!
//! `elector.rs` acquires the lease, and `client/fence.rs` sends no write without leadership.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::runtime::clock::Clock;

/// How far a reading of the wall clock may be behind, because it is cut to the whole second.
const WALL_GRAIN: Duration = Duration::from_secs(1);

/// The right to write. Cheap to clone; all clones share their state.
///
/// # Guarantees
/// The leadership ends by itself, without a task that has to run. A process that was stopped, or whose
/// machine was suspended, finds it ended when it continues. The end is measured on the monotonic clock
/// *and* on the wall clock, because the monotonic clock stops during a suspend.
#[derive(Clone, Debug)]
pub struct Leadership {
    state: Arc<watch::Sender<LeadershipState>>,
    clock: Clock,
}

#[derive(Clone, Copy, Debug)]
struct LeadershipState {
    /// How often this process has become leader.
    term: u64,
    right: Right,
    /// How often a restore of the store of the API server was noticed.
    restores: u64,
}

#[derive(Clone, Copy, Debug)]
enum Right {
    None,
    Unopposed,
    Until(Moment),
}

/// A moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime) struct Moment {
    monotonic: Instant,
    wall: Timestamp,
}

impl Moment {
    /// The current moment.
    pub(in crate::runtime) fn now(clock: &Clock) -> Self {
        Self { monotonic: Instant::now(), wall: clock.now() }
    }

    /// The moment that is `duration` later.
    pub(in crate::runtime) fn plus(self, duration: Duration) -> Self {
        let wall = SignedDuration::try_from(duration + WALL_GRAIN)
            .ok()
            .and_then(|duration| self.wall.checked_add(duration).ok())
            .unwrap_or(Timestamp::MAX);
        Self { monotonic: self.monotonic + duration, wall }
    }

    /// How long it is until this moment, by the clock that reaches it first; `None` when one of the
    /// clocks has passed it.
    fn left(self, clock: &Clock) -> Option<Duration> {
        let now = Self::now(clock);
        let by_monotonic = self.monotonic.checked_duration_since(now.monotonic)?;
        let by_wall = Duration::try_from(self.wall.duration_since(now.wall)).ok()?;
        Some(by_monotonic.min(by_wall)).filter(|left| !left.is_zero())
    }
}

impl Leadership {
    /// The leadership of a process that runs without others. It never ends.
    #[must_use]
    pub fn unopposed() -> Self {
        Self::new(Clock::system(), LeadershipState { term: 1, right: Right::Unopposed, restores: 0 })
    }

    /// The leadership of a process that does not lead yet.
    pub(in crate::runtime) fn none(clock: Clock) -> Self {
        Self::new(clock, LeadershipState { term: 0, right: Right::None, restores: 0 })
    }

    /// Registers the metric `leader`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }

    fn new(clock: Clock, state: LeadershipState) -> Self {
        Self { state: Arc::new(watch::Sender::new(state)), clock }
    }

    /// How long this process may still write; `None` when it may not.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.state.borrow().left(&self.clock)
    }

    /// The number of the term; `None` when this process does not lead. A process that stopped leading
    /// and leads again is in another term.
    #[must_use]
    pub fn term(&self) -> Option<u64> {
        let state = *self.state.borrow();
        state.left(&self.clock).map(|_| state.term)
    }

    /// Yields whenever a term begins, and at once if one has begun.
    pub fn begins(&self) -> impl Stream<Item = ()> + Send + use<> {
        let (seen, state) = (0, self.state.subscribe());
        futures::stream::unfold((seen, state), |(seen, mut state)| async move {
            let term = state.wait_for(|state| state.term > seen).await.ok()?.term;
            Some(((), (term, state)))
        })
    }

    /// Waits until this process leads; `false` if it does not before `end`.
    pub async fn leads_before(&self, end: Instant) -> bool {
        let mut begins = std::pin::pin!(self.begins());
        let leads = async {
            while self.term().is_none() {
                begins.next().await;
            }
        };
        Instant::now() < end && tokio::time::timeout_at(end, leads).await.is_ok()
    }

    /// Resolves when this term is over: when the right to write has ended, was given up, or belongs to a
    /// later term. A renewal prolongs the term. Never resolves for a term without an end.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped and called again.
    pub async fn ended(&self, term: u64) {
        let mut state = self.state.subscribe();
        loop {
            let current = *state.borrow_and_update();
            let Some(left) = current.left(&self.clock).filter(|_| current.term == term) else { return };
            // By the wall clock the term may end earlier, so the loop checks both clocks again.
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                // This fails only without a sender, and `self` holds the sender.
                _ = state.changed() => {}
            }
        }
    }

    /// Yields whenever an answer about the lease shows that the store of the API server is in an earlier
    /// state than before, as after a restore from a backup. What the caches hold may then never have
    /// happened, and a watch from a later version shows nothing. Restores before this call do not count.
    ///
    /// # Caveats
    /// Without an elector no restore is noticed. A restore that raises the versions (`etcdutl snapshot
    /// restore --bump-revision --mark-compacted`) is not noticed either. It need not be, because the
    /// watches are then told that they are outdated.
    pub fn restores(&self) -> impl Stream<Item = ()> + Send + use<> {
        let state = self.state.subscribe();
        let seen = state.borrow().restores;
        futures::stream::unfold((seen, state), |(seen, mut state)| async move {
            let restores = state.wait_for(|state| state.restores > seen).await.ok()?.restores;
            Some(((), (restores, state)))
        })
    }

    /// Makes this process lead until `end`. A term that has ended is not continued, because a caller may
    /// already have seen that it ended.
    pub(in crate::runtime) fn grant(&self, end: Moment) {
        self.state.send_modify(|state| {
            state.term += u64::from(state.left(&self.clock).is_none());
            state.right = Right::Until(end);
        });
    }

    /// Ends the leadership.
    pub(in crate::runtime) fn resign(&self) {
        self.state.send_modify(|state| state.right = Right::None);
    }

    /// Notes that the store of the API server was restored to an earlier state.
    pub(super) fn note_restore(&self) {
        self.state.send_modify(|state| state.restores += 1);
    }
}

impl Collector for Leadership {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let leader = ConstGauge::new(i64::from(self.left().is_some()));
        let help = "1 if this process is the leader, otherwise 0";
        leader.encode(encoder.encode_descriptor("leader", help, None, leader.metric_type())?)
    }
}

impl LeadershipState {
    fn left(self, clock: &Clock) -> Option<Duration> {
        match self.right {
            Right::None => None,
            Right::Unopposed => Some(Duration::MAX),
            Right::Until(end) => end.left(clock),
        }
    }
}

#[cfg(test)]
mod tests;
