//! The queue: when each key is due, and which keys workers are reconciling.
//!
//! This file waits and wakes; `queue/state.rs` has the places of the keys, and `fairness.rs` decides which of the
//! due keys starts first.

mod state;

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use self::state::QueueState;
use crate::runtime::schedule::{Job, NextRun, Rank, Tenant};

/// How many due keys are ranked again before the next job is taken.
const RERANKED_AT_ONCE: usize = 32;

/// When each key is reconciled next.
///
/// # Guarantees
/// - A key that was woken and not removed is always in exactly one place: it waits for its time, it is
///   due, or it is in hand, which means that a worker reconciles it.
/// - A key in hand is not handed out again before it is [`done`](Self::done). If it was woken meanwhile,
///   it is then due again at once.
/// - A key is handed out at most one millisecond after its time, if a worker is free.
pub struct Queue<K> {
    rank: Box<dyn Fn(&K) -> Rank + Send + Sync>,
    state: Mutex<QueueState<K>>,
    changed: Notify,
}

impl<K: Clone + Eq + Hash + Ord + Tenant> Queue<K> {
    /// An empty queue. `rank` is called when a key has become due, and again when a due key is woken.
    /// [`next`](Self::next) calls it without any lock. It must not panic.
    #[must_use]
    pub fn new(rank: impl Fn(&K) -> Rank + Send + Sync + 'static) -> Self {
        Self { rank: Box::new(rank), state: Mutex::new(QueueState::new()), changed: Notify::new() }
    }

    /// Makes a key due now. Inserts the key if it is not in the queue.
    pub fn wake(&self, key: &K) {
        if self.lock().wake(key) {
            self.changed.notify_one();
        }
    }

    /// Removes a key whose object is gone. A key in hand is removed when it is done. A wake after the
    /// removal inserts it again.
    pub fn remove(&self, key: &K) {
        self.lock().remove(key);
    }

    /// Removes a key in hand that has no object. A key that was woken since it was taken stays, because
    /// there may be an object again.
    pub fn remove_unless_woken(&self, key: &K) {
        self.lock().remove_unless_woken(key);
    }

    /// Waits until a key is due, and returns the next job for one of `width` workers. The caller must
    /// call [`done`](Self::done) for it. Only one caller may wait at a time, and only while a worker is
    /// free. No key is lost when this is cancelled.
    pub async fn next(&self, width: usize) -> Job<K> {
        loop {
            // Only a few keys are ranked again at a time. Otherwise repeated wakes of thousands of keys
            // would prevent that ranked keys are taken.
            let mut reranked = 0;
            loop {
                let unranked = self.lock().unranked(reranked < RERANKED_AT_ONCE);
                let Some((key, is_due)) = unranked else { break };
                reranked += usize::from(is_due);
                let rank = (self.rank)(&key);
                self.lock().admit(&key, rank);
            }
            let taken = self.lock().take(width);
            let timer = match taken {
                Ok(job) => return job,
                Err(_) if reranked == RERANKED_AT_ONCE => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Err(timer) => timer,
            };
            let changed = self.changed.notified();
            match timer {
                None => changed.await,
                Some(at) => drop(tokio::time::timeout_at(at, changed).await),
            }
        }
    }

    /// Ends the reconcile of a key in hand. The key is due again at the time of `next`, or now if it was
    /// woken meanwhile.
    pub fn done(&self, key: &K, next: NextRun) {
        self.lock().done(key, next);
        self.changed.notify_one();
    }

    /// Whether keys are due that no worker has taken yet.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.lock().has_backlog()
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
