//! The workers, which run a bounded number of reconciles at a time, in the order of the queue.

use std::any::Any;
use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::runtime::schedule::{Cause, Job, Limiter, NextRun, Queue, Tenant};

/// How long a shutdown waits for the reconciles that run.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// The time between two beats of the loop.
const BEAT_INTERVAL: Duration = Duration::from_secs(2);
/// When a key is due again whose reconcile was cancelled and returned no time.
const CUT_OFF: Duration = Duration::from_secs(60);

/// What the workers need to run.
///
/// # Guarantees
/// - Every key that is taken from the queue is returned to it, even after a panic.
/// - A panic in one reconcile does not affect others.
pub struct Workers<K, R, P, B> {
    /// The queue from which only these workers take jobs.
    pub queue: Arc<Queue<K>>,
    /// The limiter. No job starts during its pause.
    pub limiter: Limiter,
    /// How many jobs run at a time, at least one.
    pub width: usize,
    /// `Fn(Job<K>) -> impl Future<Output = NextRun>`: reconciles one key.
    pub reconcile: R,
    /// `Fn(&K, &str) -> NextRun`: called with the key and the message of a reconcile that panicked.
    /// Returns when the key is due again.
    pub on_panic: P,
    /// `FnMut()`: called every two seconds by the loop that starts jobs, to show that the loop runs.
    pub beat: B,
}

impl<K, R, F, P, B> Workers<K, R, P, B>
where
    K: Clone + Eq + Hash + Ord + Tenant + Send + Sync + 'static,
    R: Fn(Job<K>) -> F + Send + Sync + 'static,
    F: Future<Output = NextRun> + Send + 'static,
    P: Fn(&K, &str) -> NextRun + Send + Sync + 'static,
    B: FnMut(),
{
    /// Runs jobs until `stop` resolves, then waits at most 20 s for the jobs that run. Returns whether
    /// all of them ended; the others are cancelled.
    pub async fn run(self, stop: impl Future<Output = ()>) -> bool {
        let Self { queue, limiter, reconcile, on_panic, mut beat, .. } = self;
        let (width, callbacks) = (self.width.max(1), Arc::new((reconcile, on_panic)));
        let mut jobs = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        let mut tick = tokio::time::interval(BEAT_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = tick.tick() => beat(),
                Some(_) = jobs.join_next() => {}
                job = next(&queue, &limiter, width), if jobs.len() < width => {
                    let (queue, callbacks) = (queue.clone(), callbacks.clone());
                    let in_hand = InHand { queue, key: job.key.clone(), next: None };
                    jobs.spawn(async move { in_hand.run(job, &callbacks.0, &callbacks.1).await });
                }
            }
        }
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        loop {
            tokio::select! {
                ended = jobs.join_next() => if ended.is_none() { return true },
                _ = tick.tick() => beat(),
                () = tokio::time::sleep_until(deadline) => return false,
            }
        }
    }
}

/// Waits for the next job. No job is taken during a pause, even if the pause begins during the wait.
async fn next<K>(queue: &Queue<K>, limiter: &Limiter, width: usize) -> Job<K>
where
    K: Clone + Eq + Hash + Ord + Tenant,
{
    loop {
        limiter.unpaused().await;
        tokio::select! {
            biased;
            () = limiter.paused() => {}
            job = queue.next(width) => return job,
        }
    }
}

/// A key in hand. It is returned to the queue when this is dropped, however the reconcile ends.
struct InHand<K: Clone + Eq + Hash + Ord + Tenant> {
    queue: Arc<Queue<K>>,
    key: K,
    next: Option<NextRun>,
}

impl<K: Clone + Eq + Hash + Ord + Tenant> InHand<K> {
    async fn run<F: Future<Output = NextRun>>(
        mut self,
        job: Job<K>,
        reconcile: &impl Fn(Job<K>) -> F,
        on_panic: &impl Fn(&K, &str) -> NextRun,
    ) {
        let ended = AssertUnwindSafe(async { reconcile(job).await }).catch_unwind().await;
        self.next = Some(ended.unwrap_or_else(|panic| on_panic(&self.key, text(&*panic))));
    }
}

impl<K: Clone + Eq + Hash + Ord + Tenant> Drop for InHand<K> {
    fn drop(&mut self) {
        let next = self.next.unwrap_or_else(|| NextRun::after(CUT_OFF, Cause::SafetyNet));
        self.queue.done(&self.key, next);
    }
}

/// The message of a panic.
fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}

#[cfg(test)]
mod tests;
