//! Annotates running pods after a new URL: a patch of one annotation makes kubelet refresh the files of
//! that pod at once. The rate is limited. A patch that fails is not retried, because kubelet refreshes the
//! files by itself later.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use super::list::RunningPod;
use super::wake_named;
use crate::controller::context::Context;
use crate::controller::reconcile::error::is_code;
use crate::crd::names::{ANNOTATION_URL_RENEWED_AT, OPERATOR};

/// The least time between two patches: 20 per second, in all namespaces together.
const BETWEEN: Duration = Duration::from_millis(50);
/// How many patches run at a time.
const IN_FLIGHT: usize = 4;

/// The queue of the pods to annotate. Each pod is in it at most once.
#[derive(Debug, Default)]
pub struct AnnotationQueue {
    queue: Mutex<PodQueue>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct PodQueue {
    order: VecDeque<PodKey>,
    pods: HashMap<PodKey, Timestamp>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct PodKey {
    namespace: String,
    name: String,
    uid: String,
}

impl AnnotationQueue {
    /// Queues pods of a namespace. A pod that is already queued keeps its place and the newer URL.
    pub fn add(&self, namespace: &str, pods: Vec<RunningPod>) {
        let mut queue = self.lock();
        for RunningPod { name, uid, signing_time } in pods {
            let key = PodKey { namespace: namespace.to_owned(), name, uid };
            let waits = queue.pods.get(&key).copied();
            queue.pods.insert(key.clone(), waits.map_or(signing_time, |waits| waits.max(signing_time)));
            if waits.is_none() {
                queue.order.push_back(key);
            }
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// Removes the pods of a namespace from the queue.
    fn drop_all(&self, namespace: &str) {
        let mut queue = self.lock();
        queue.order.retain(|key| key.namespace != namespace);
        queue.pods.retain(|key, _| key.namespace != namespace);
    }

    /// Waits until a pod is in the queue.
    async fn filled(&self) {
        while self.lock().order.is_empty() {
            self.filled.notified().await;
        }
    }

    fn pop(&self) -> Option<(PodKey, Timestamp)> {
        let mut queue = self.lock();
        let key = queue.order.pop_front()?;
        let signing_time = queue.pods.remove(&key)?;
        Some((key, signing_time))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, PodQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Annotates the queued pods, for as long as the process runs.
pub async fn annotate(ctx: Arc<Context>) {
    let one = |(key, signing_time)| touch(&ctx, key, signing_time);
    paced(ctx.pods.to_annotate.clone()).for_each_concurrent(IN_FLIGHT, one).await;
}

/// The queued pods, one after the other, at the rate limit.
fn paced(queue: Arc<AnnotationQueue>) -> impl Stream<Item = (PodKey, Timestamp)> {
    let mut pace = tokio::time::interval(BETWEEN);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let popped = futures::stream::unfold((pace, queue), |(mut pace, queue)| async move {
        queue.filled().await;
        pace.tick().await;
        Some((queue.pop(), (pace, queue)))
    });
    popped.filter_map(std::future::ready)
}

async fn touch(ctx: &Context, key: PodKey, signing_time: Timestamp) {
    let PodKey { namespace, name, uid } = key;
    // With the UID, the patch fails for a later pod of the same name.
    let patch = json!({"metadata": {
        "uid": uid,
        "annotations": {ANNOTATION_URL_RENEWED_AT: signing_time.to_string()},
    }});
    let params = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
    let pods = Api::<Pod>::namespaced(ctx.client.clone(), &namespace);
    let answer = {
        let _permit = ctx.limiter.beside().await;
        pods.patch_metadata(&name, &params, &Patch::Merge(patch)).await
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
        "done" => wake_named(ctx, &namespace, ctx.pods.refuse(&namespace, None)),
        "forbidden" => {
            ctx.pods.to_annotate.drop_all(&namespace);
            wake_named(ctx, &namespace, ctx.pods.refuse(&namespace, Some("patch")));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn to_annotate(name: &str, second: i64) -> RunningPod {
        let signing_time = Timestamp::from_second(second).unwrap();
        RunningPod { name: name.to_owned(), uid: format!("uid of {name}"), signing_time }
    }

    #[tokio::test(start_paused = true)]
    async fn twenty_a_second_and_no_more() {
        let queue = Arc::new(AnnotationQueue::default());
        queue.add("n", (0..100).map(|number| to_annotate(&format!("p{number}"), 1)).collect());
        let begun = Instant::now();
        let taken: Vec<_> = paced(queue).take(100).map(|_| begun.elapsed()).collect().await;
        for (number, pair) in taken.windows(2).enumerate() {
            assert!(pair[1] >= pair[0] + BETWEEN, "{number}: {pair:?}");
        }
        assert!(taken[99] < Duration::from_secs(6), "{:?}", taken[99]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_waits_is_annotated_once_for_the_newest() {
        let queue = Arc::new(AnnotationQueue::default());
        queue.add("n", vec![to_annotate("a", 2), to_annotate("b", 2)]);
        queue.add("n", vec![to_annotate("a", 1), to_annotate("b", 3)]);
        queue.add("m", vec![to_annotate("a", 4)]);
        let taken: Vec<_> = paced(queue.clone()).take(3).collect().await;
        let seen: Vec<_> =
            taken.iter().map(|(key, time)| (&*key.namespace, &*key.name, time.as_second())).collect();
        assert_eq!(seen, [("n", "a", 2), ("n", "b", 3), ("m", "a", 4)]);
        queue.add("n", vec![to_annotate("a", 5)]);
        queue.add("m", vec![to_annotate("a", 6)]);
        queue.drop_all("n");
        let left: Vec<_> = paced(queue).take(1).map(|(key, _)| key.namespace).collect().await;
        assert_eq!(left, ["m"]);
    }

    #[tokio::test(start_paused = true)]
    async fn namespaces_take_turns() {
        let queue = Arc::new(AnnotationQueue::default());
        queue.add("busy", (0..1000).map(|number| to_annotate(&format!("p{number}"), 1)).collect());
        queue.add("other", vec![to_annotate("a", 1)]);
        let taken: Vec<_> = paced(queue).take(3).map(|(key, _)| key.namespace).collect().await;
        assert_eq!(taken, ["busy", "other", "busy"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_useless_by_now_is_not_sent() {
        let queue = Arc::new(AnnotationQueue::default());
        queue.add("n", (0..3000).map(|number| to_annotate(&format!("p{number}"), 1)).collect());
        let begun = Instant::now();
        let sent = paced(queue).map(|_| begun.elapsed()).take_until(tokio::time::sleep(Duration::from_secs(600)));
        let sent: Vec<_> = sent.collect().await;
        assert!(*sent.last().unwrap() < Duration::from_secs(121), "{:?}", sent.last());
    }
}
