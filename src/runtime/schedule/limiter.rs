//! The limiter: the pause that the API server asks for, and the bound of calls outside of reconciles.
//!
//! Not here: how many reconciles run at a time, which is the width of the workers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

/// The longest pause that the API server can ask for.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// A pause of all calls, and the bound of the calls that are made outside of reconciles. Clones are the
/// same limiter.
///
/// # Guarantees
/// - During a pause no reconcile starts and no permit is given.
/// - A pause ends at the latest 60 s after the last answer that asked for one.
#[derive(Clone, Debug)]
pub struct Limiter {
    paused_until: Arc<watch::Sender<Option<Instant>>>,
    permits: Arc<Semaphore>,
}

/// The permit for one call outside of reconciles. It ends when dropped.
#[derive(Debug)]
#[must_use = "the right ends when this is dropped"]
pub struct Permit {
    _held: Option<OwnedSemaphorePermit>,
}

impl Limiter {
    /// A limiter without a pause. It permits `width` calls at a time outside of reconciles, but at least
    /// one.
    #[must_use]
    pub fn new(width: usize) -> Self {
        let permits = Arc::new(Semaphore::new(width.clamp(1, Semaphore::MAX_PERMITS)));
        Self { paused_until: Arc::new(watch::Sender::new(None)), permits }
    }

    /// Begins a pause of `wait`, for which an overloaded API server asks with `Retry-After`; at most 60 s.
    /// A pause that ends later stays as it is.
    pub fn pause(&self, wait: Duration) {
        let until = Some(Instant::now() + wait.min(MAX_PAUSE));
        self.paused_until.send_if_modified(|current| {
            let is_longer = until > *current;
            if is_longer {
                *current = until;
            }
            is_longer
        });
    }

    /// When the current pause ends; `None` without a pause.
    #[must_use]
    pub fn paused_until(&self) -> Option<Instant> {
        self.paused_until.borrow().filter(|until| *until > Instant::now())
    }

    /// Waits until there is no pause.
    pub async fn unpaused(&self) {
        while let Some(until) = self.paused_until() {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Waits for the permit for a call outside of reconciles (events, pods, checks of credentials). Few
    /// such calls run at a time, so that they delay reconciles little, and none during a pause.
    pub async fn permit(&self) -> Permit {
        // The only possible error is a closed semaphore, and this one is never closed.
        let held = self.permits.clone().acquire_owned().await.ok();
        self.unpaused().await;
        Permit { _held: held }
    }

    /// Waits until a pause begins; returns at once during a pause.
    pub(super) async fn paused(&self) {
        let mut changes = self.paused_until.subscribe();
        while self.paused_until().is_none() {
            // This cannot fail, because the sender lives as long as this limiter.
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
        limiter.unpaused().await;
        assert_eq!((limiter.paused_until(), begun.elapsed()), (None, Duration::ZERO));
        limiter.pause(5 * SECOND);
        limiter.pause(2 * SECOND);
        assert_eq!(limiter.paused_until(), Some(begun + 5 * SECOND));
        limiter.unpaused().await;
        assert_eq!((limiter.paused_until(), begun.elapsed()), (None, 5 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_grows_is_waited_for_and_none_is_longer_than_a_minute() {
        let (limiter, begun) = (Limiter::new(1), Instant::now());
        limiter.pause(SECOND);
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.unpaused().await }
        });
        tokio::task::yield_now().await;
        limiter.pause(Duration::MAX);
        waiting.await.unwrap();
        assert_eq!(begun.elapsed(), MAX_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_beside_are_few_and_wait_for_the_pause() {
        let (limiter, begun) = (Limiter::new(2), Instant::now());
        let (first, _second) = (limiter.permit().await, limiter.permit().await);
        assert!(tokio::time::timeout(SECOND, limiter.permit()).await.is_err(), "two are under way");
        drop(first);
        limiter.pause(5 * SECOND);
        let _third = limiter.permit().await;
        assert_eq!(begun.elapsed(), 6 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn tells_that_a_pause_begins() {
        let limiter = Limiter::new(1);
        assert!(tokio::time::timeout(SECOND, limiter.paused()).await.is_err());
        limiter.pause(SECOND);
        limiter.paused().await;
        limiter.unpaused().await;
        assert!(tokio::time::timeout(SECOND, limiter.paused()).await.is_err(), "it is over");
    }
}
