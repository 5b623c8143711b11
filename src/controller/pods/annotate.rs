//! Annotates running pods after a new URL: a patch of one annotation makes kubelet refresh the files of
//! that pod at once. The rate is limited, and namespaces take turns. A patch that fails is not retried, and
//! one that comes too late is not sent, because kubelet refreshes the files by itself later.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

use super::list::RunningPod;
use super::schedule::PlannedAnnotation;
use super::set_refused;
use crate::controller::context::Context;
use crate::controller::reconcile::error::is_code;
use crate::crd::names::{ANNOTATION_URL_RENEWED_AT, OPERATOR};
use crate::runtime::schedule::{CallLimits, CallQueue, WaitingCall};

/// The least time between two patches: 20 per second, in all namespaces together.
const PATCH_INTERVAL: Duration = Duration::from_millis(50);
/// How many patches run at a time. A namespace whose patches hang leaves room for others.
const LIMITS: CallLimits = CallLimits { at_once: 4, per_server: 4, per_flow: 2, per_owner: 2 };

/// The queue of the pods to annotate. Each pod is in it at most once and has one patch at a time, and namespaces take
/// turns.
#[derive(Debug, Default)]
pub struct AnnotationQueue {
    queue: Mutex<PodQueue>,
    /// Notified when a patch may start that could not before.
    changed: Notify,
}

#[derive(Debug)]
struct PodQueue {
    calls: CallQueue<PodKey>,
    pods: HashMap<PodKey, PlannedAnnotation>,
    /// Those whose patch runs. An older patch must not arrive after a newer one.
    running: HashSet<PodKey>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct PodKey {
    namespace: String,
    name: String,
    uid: String,
}

impl Default for PodQueue {
    fn default() -> Self {
        Self { calls: CallQueue::new(LIMITS), pods: HashMap::new(), running: HashSet::new() }
    }
}

impl WaitingCall for PodKey {
    type Server = ();

    fn flow(&self) -> &str {
        &self.namespace
    }

    fn server(&self) -> &() {
        &()
    }

    fn replaces(&self, waiting: &Self) -> bool {
        self == waiting
    }
}

impl AnnotationQueue {
    /// Queues pods of a namespace. A pod that is already queued keeps its place and the newer URL.
    pub fn add(&self, namespace: &str, pods: Vec<RunningPod>) {
        let mut queue = self.lock();
        let PodQueue { calls, pods: waiting, .. } = &mut *queue;
        let new = pods.into_iter().filter_map(|RunningPod { name, uid, planned }| {
            let key = PodKey { namespace: namespace.to_owned(), name, uid };
            match waiting.entry(key) {
                Entry::Occupied(mut waits) => {
                    let newer = planned.max(*waits.get());
                    waits.insert(newer);
                    None
                }
                Entry::Vacant(entry) => {
                    let key = entry.key().clone();
                    entry.insert(planned);
                    Some(key)
                }
            }
        });
        calls.append(namespace, new.collect());
        drop(queue);
        self.changed.notify_one();
    }

    /// Removes the pods of a namespace from the queue, and returns how many they were.
    fn drop_all(&self, namespace: &str) -> usize {
        let mut queue = self.lock();
        queue.calls.remove(namespace, |_| true);
        queue.pods.extract_if(|key, _| key.namespace == namespace).count()
    }

    /// Waits for the next pod. `useless` is called for each one before it whose files kubelet has refreshed by
    /// itself.
    async fn next(&self, useless: impl Fn()) -> (PodKey, PlannedAnnotation) {
        loop {
            let popped = self.pop();
            match popped {
                Some((key, planned)) if planned.is_useless(Instant::now()) => {
                    self.ended(&key);
                    useless();
                }
                Some(pod) => return pod,
                None => self.changed.notified().await,
            }
        }
    }

    fn pop(&self) -> Option<(PodKey, PlannedAnnotation)> {
        let mut queue = self.lock();
        let PodQueue { calls, pods, running } = &mut *queue;
        let key = calls.pop(|pod| !running.contains(pod))?;
        running.insert(key.clone());
        pods.remove_entry(&key)
    }

    /// Notes that the patch of a pod ended.
    fn ended(&self, pod: &PodKey) {
        let mut queue = self.lock();
        queue.calls.ended(pod);
        queue.running.remove(pod);
        drop(queue);
        self.changed.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, PodQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Annotates the queued pods, for as long as the process runs.
pub async fn annotate(ctx: Arc<Context>) {
    let ctx = &*ctx;
    let queue = &ctx.pods.annotations;
    let one = |(pod, planned): (PodKey, PlannedAnnotation)| async move {
        annotate_pod(ctx, &pod, planned).await;
        queue.ended(&pod);
    };
    paced(queue, || ctx.metrics.annotated_pod("useless")).for_each_concurrent(LIMITS.at_once, one).await;
}

/// The queued pods, one after the other, at the rate limit.
fn paced(queue: &AnnotationQueue, useless: impl Fn()) -> impl Stream<Item = (PodKey, PlannedAnnotation)> {
    let mut pace = tokio::time::interval(PATCH_INTERVAL);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    futures::stream::unfold((pace, useless), move |(mut pace, useless)| async move {
        let pod = queue.next(&useless).await;
        pace.tick().await;
        Some((pod, (pace, useless)))
    })
}

async fn annotate_pod(ctx: &Context, key: &PodKey, planned: PlannedAnnotation) {
    let PodKey { namespace, name, uid } = key;
    // With the UID, the patch fails for a later pod of the same name.
    let patch = json!({"metadata": {
        "uid": uid,
        "annotations": {ANNOTATION_URL_RENEWED_AT: planned.signing_time.to_string()},
    }});
    let params = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
    let pods = Api::<Pod>::namespaced(ctx.client.clone(), namespace);
    let answer = {
        let _permit = ctx.limiter.permit().await;
        if planned.is_useless(Instant::now()) {
            ctx.metrics.annotated_pod("useless");
            return;
        }
        pods.patch_metadata(name, &params, &Patch::Merge(patch)).await
    };
    let outcome = match answer {
        Ok(_) => "done",
        Err(error) if [404, 409, 422].into_iter().any(|code| is_code(&error, code)) => "gone",
        Err(error) if is_code(&error, 403) => "forbidden",
        Err(_) => "failed",
    };
    ctx.metrics.annotated_pod(outcome);
    tracing::debug!(namespace, pod = name, outcome, "annotated a pod");
    match outcome {
        "done" => set_refused(ctx, namespace, None),
        "forbidden" => {
            for _ in 0..ctx.pods.annotations.drop_all(namespace) {
                ctx.metrics.annotated_pod(outcome);
            }
            set_refused(ctx, namespace, Some("patch"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn running(name: &str, second: i64) -> RunningPod {
        let signing_time = Timestamp::from_second(second).unwrap();
        let planned = PlannedAnnotation { signing_time, since: Instant::now() };
        RunningPod { name: name.to_owned(), uid: format!("uid of {name}"), planned }
    }

    fn many(count: usize) -> Vec<RunningPod> {
        (0..count).map(|number| running(&format!("p{number}"), 1)).collect()
    }

    /// Takes up to so many pods, whose patches end at once: namespace, name, time of the URL, and when.
    async fn take(queue: &AnnotationQueue, count: usize) -> Vec<(String, String, i64, Duration)> {
        let begun = Instant::now();
        let taken = paced(queue, || ()).map(|(key, planned)| {
            queue.ended(&key);
            (key.namespace, key.name, planned.signing_time.as_second(), begun.elapsed())
        });
        taken.take(count).take_until(tokio::time::sleep(Duration::from_secs(600))).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn twenty_a_second_and_no_more() {
        let queue = AnnotationQueue::default();
        queue.add("n", many(100));
        let taken = take(&queue, 100).await;
        for (number, pair) in taken.windows(2).enumerate() {
            assert!(pair[1].3 >= pair[0].3 + PATCH_INTERVAL, "{number}: {pair:?}");
        }
        assert!(taken[99].3 < Duration::from_secs(6), "{:?}", taken[99]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_waits_is_annotated_once_for_the_newest() {
        let queue = AnnotationQueue::default();
        queue.add("n", vec![running("a", 2), running("b", 2)]);
        queue.add("n", vec![running("a", 1), running("b", 3)]);
        queue.add("m", vec![running("a", 4)]);
        let taken = take(&queue, 4).await;
        let seen: Vec<_> =
            taken.iter().map(|(namespace, name, time, _)| (&**namespace, &**name, *time)).collect();
        assert_eq!(seen, [("n", "a", 2), ("m", "a", 4), ("n", "b", 3)]);
        queue.add("n", vec![running("a", 5), running("b", 5)]);
        queue.add("m", vec![running("a", 6)]);
        assert_eq!(queue.drop_all("n"), 2);
        let (patched, _) = queue.pop().unwrap();
        assert_eq!(patched.namespace, "m");
        queue.add("m", vec![running("a", 7)]);
        assert!(queue.pop().is_none(), "one patch of a pod at a time");
        queue.ended(&patched);
        assert_eq!(queue.pop().unwrap().1.signing_time.as_second(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn namespaces_take_turns() {
        let queue = AnnotationQueue::default();
        queue.add("busy", many(1000));
        queue.add("other", vec![running("a", 1)]);
        let taken: Vec<_> = take(&queue, 3).await.into_iter().map(|pod| pod.0).collect();
        assert_eq!(taken, ["busy", "other", "busy"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_whose_patches_hang_holds_up_no_other() {
        let queue = AnnotationQueue::default();
        queue.add("hangs", many(10));
        queue.add("other", many(10));
        let hanging = [queue.pop().unwrap().0, queue.pop().unwrap().0, queue.pop().unwrap().0];
        queue.ended(&hanging[1]);
        let others: Vec<_> = take(&queue, 20).await.into_iter().map(|pod| pod.0).collect();
        assert_eq!(others, ["other"; 9]);
        queue.ended(&hanging[0]);
        assert_eq!(queue.pop().unwrap().0.namespace, "hangs");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_useless_by_now_is_counted_and_not_sent() {
        let (queue, useless) = (AnnotationQueue::default(), std::cell::Cell::new(0));
        queue.add("n", many(3000));
        let begun = Instant::now();
        let sent = paced(&queue, || useless.set(useless.get() + 1)).map(|(key, _)| {
            queue.ended(&key);
            begun.elapsed()
        });
        let sent: Vec<_> = sent.take_until(tokio::time::sleep(Duration::from_secs(600))).collect().await;
        assert!(*sent.last().unwrap() < Duration::from_secs(121), "{:?}", sent.last());
        assert_eq!(sent.len() + useless.get(), 3000);
        assert!(queue.lock().pods.is_empty());
    }
}
