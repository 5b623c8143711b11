//! The workers: run reconciles, a bounded number at a time, in the order of the queue.

use std::any::Any;
use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::runtime::schedule::{Cause, Job, Limiter, Next, Queue, Tenant};

/// How long the end waits for the reconciles in hand.
const DRAIN: Duration = Duration::from_secs(20);
/// How often the loop shows that it runs.
const BEAT: Duration = Duration::from_secs(2);
/// When a key is due again whose reconcile was cut off without telling.
const CUT_OFF: Duration = Duration::from_secs(60);

/// What the workers need to run.
///
/// # Guarantees
/// - Every key that is taken from the queue goes back to it, also after a panic.
/// - A panic of one reconcile stops no other.
pub struct Workers<K, R, P, B> {
    /// Where jobs are taken from. Nobody else takes any.
    pub queue: Arc<Queue<K>>,
    /// While it pauses, no job starts.
    pub limiter: Limiter,
    /// How many jobs run at a time, at least one.
    pub width: usize,
    /// `Fn(Job<K>) -> impl Future<Output = Next>`: reconciles one key.
    pub reconcile: R,
    /// `Fn(&K, &str) -> Next`: told of a reconcile that panicked, and the text of the panic;
    /// says when the key is due again.
    pub on_panic: P,
    /// `FnMut()`: called every two seconds by the loop that starts the jobs, to show that it
    /// runs.
    pub beat: B,
}

impl<K, R, F, P, B> Workers<K, R, P, B>
where
    K: Clone + Eq + Hash + Ord + Tenant + Send + Sync + 'static,
    R: Fn(Job<K>) -> F + Send + Sync + 'static,
    F: Future<Output = Next> + Send + 'static,
    P: Fn(&K, &str) -> Next + Send + Sync + 'static,
    B: FnMut(),
{
    /// Runs jobs until `stop` resolves, then waits for those in hand, 20 s at most. Tells
    /// whether all of them ended; the others are cut off.
    pub async fn run(self, stop: impl Future<Output = ()>) -> bool {
        let Self { queue, limiter, reconcile, on_panic, mut beat, .. } = self;
        let (width, callbacks) = (self.width.max(1), Arc::new((reconcile, on_panic)));
        let mut jobs = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        let mut tick = tokio::time::interval(BEAT);
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
        let deadline = Instant::now() + DRAIN;
        loop {
            tokio::select! {
                ended = jobs.join_next() => if ended.is_none() { return true },
                _ = tick.tick() => beat(),
                () = tokio::time::sleep_until(deadline) => return false,
            }
        }
    }
}

/// The next job that may start. No job is taken during a pause, also if that begins later.
async fn next<K>(queue: &Queue<K>, limiter: &Limiter, width: usize) -> Job<K>
where
    K: Clone + Eq + Hash + Ord + Tenant,
{
    loop {
        limiter.permit().await;
        tokio::select! {
            biased;
            () = limiter.paused() => {}
            job = queue.next(width) => return job,
        }
    }
}

/// A key in hand, which goes back to the queue however this ends.
struct InHand<K: Clone + Eq + Hash + Ord + Tenant> {
    queue: Arc<Queue<K>>,
    key: K,
    next: Option<Next>,
}

impl<K: Clone + Eq + Hash + Ord + Tenant> InHand<K> {
    async fn run<F: Future<Output = Next>>(
        mut self,
        job: Job<K>,
        reconcile: &impl Fn(Job<K>) -> F,
        on_panic: &impl Fn(&K, &str) -> Next,
    ) {
        let ended = AssertUnwindSafe(async { reconcile(job).await }).catch_unwind().await;
        self.next = Some(ended.unwrap_or_else(|panic| on_panic(&self.key, text(&*panic))));
    }
}

impl<K: Clone + Eq + Hash + Ord + Tenant> Drop for InHand<K> {
    fn drop(&mut self) {
        let next = self.next.unwrap_or_else(|| Next::after(CUT_OFF, Cause::SafetyNet));
        self.queue.done(&self.key, next);
    }
}

/// What a panic says.
fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}

#[cfg(test)]
mod tests;
