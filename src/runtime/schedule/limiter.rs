//! What the API server asks of all at once: a pause, and few calls beside the reconciles.
//!
//! Not here: how many reconciles run at a time, which is the width of the workers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

/// The longest pause that the API server can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A pause that all share, and the bound of calls that are made beside the reconciles. Clones
/// are the same limiter.
///
/// # Guarantees
/// - While a pause is on, no reconcile starts, and nobody gets a permit.
/// - A pause ends 60 s after the last answer that asked for one, at the latest.
#[derive(Clone, Debug)]
pub struct Limiter {
    paused_until: Arc<watch::Sender<Option<Instant>>>,
    beside: Arc<Semaphore>,
}

/// The right to make one call beside the reconciles; ends when dropped.
#[derive(Debug)]
#[must_use = "the right ends when this is dropped"]
pub struct Permit {
    _held: Option<OwnedSemaphorePermit>,
}

impl Limiter {
    /// A limiter without a pause, for `width` calls beside the reconciles at a time, at least
    /// one.
    #[must_use]
    pub fn new(width: usize) -> Self {
        let beside = Arc::new(Semaphore::new(width.clamp(1, Semaphore::MAX_PERMITS)));
        Self { paused_until: Arc::new(watch::Sender::new(None)), beside }
    }

    /// Pauses for `wait`, as an overloaded API server asks with `Retry-After`; for 60 s at most.
    /// A pause that ends later stays.
    pub fn pause(&self, wait: Duration) {
        let until = Some(Instant::now() + wait.min(LONGEST_PAUSE));
        self.paused_until.send_if_modified(|current| {
            let is_longer = until > *current;
            if is_longer {
                *current = until;
            }
            is_longer
        });
    }

    /// When the pause ends that is on, if one is.
    #[must_use]
    pub fn paused_until(&self) -> Option<Instant> {
        self.paused_until.borrow().filter(|until| *until > Instant::now())
    }

    /// Waits while a pause is on.
    pub async fn permit(&self) {
        while let Some(until) = self.paused_until() {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Waits for a permit for a call beside the reconciles (events, pods, lists): few are made
    /// at a time, so that they take little from the reconciles, and none during a pause.
    pub async fn beside(&self) -> Permit {
        // Nobody closes the semaphore, which is the one error that there is.
        let held = self.beside.clone().acquire_owned().await.ok();
        self.permit().await;
        Permit { _held: held }
    }

    /// Waits until a pause is on.
    pub(super) async fn paused(&self) {
        let mut changes = self.paused_until.subscribe();
        while self.paused_until().is_none() {
            // The sender lives as long as this limiter, so there is no error.
            let _ = changes.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_pause_that_ends_last_counts() {
        let (limiter, begun) = (Limiter::new(1), Instant::now());
        limiter.permit().await;
        assert_eq!((limiter.paused_until(), begun.elapsed()), (None, Duration::ZERO));
        limiter.pause(5 * SECOND);
        limiter.pause(2 * SECOND);
        assert_eq!(limiter.paused_until(), Some(begun + 5 * SECOND));
        limiter.permit().await;
        assert_eq!((limiter.paused_until(), begun.elapsed()), (None, 5 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_grows_is_waited_for_and_none_is_longer_than_a_minute() {
        let (limiter, begun) = (Limiter::new(1), Instant::now());
        limiter.pause(SECOND);
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.permit().await }
        });
        tokio::task::yield_now().await;
        limiter.pause(Duration::MAX);
        waiting.await.unwrap();
        assert_eq!(begun.elapsed(), LONGEST_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_beside_are_few_and_wait_for_the_pause() {
        let (limiter, begun) = (Limiter::new(2), Instant::now());
        let (first, _second) = (limiter.beside().await, limiter.beside().await);
        assert!(tokio::time::timeout(SECOND, limiter.beside()).await.is_err(), "two are under way");
        drop(first);
        limiter.pause(5 * SECOND);
        let _third = limiter.beside().await;
        assert_eq!(begun.elapsed(), 6 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn tells_that_a_pause_begins() {
        let limiter = Limiter::new(1);
        assert!(tokio::time::timeout(SECOND, limiter.paused()).await.is_err());
        limiter.pause(SECOND);
        limiter.paused().await;
        limiter.permit().await;
        assert!(tokio::time::timeout(SECOND, limiter.paused()).await.is_err(), "it is over");
    }
}
