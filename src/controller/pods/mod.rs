//! The pods that use our Secrets: when the pods of a namespace are listed, what was found, and which
//! pods are annotated after a new URL.
//!
//! Pods are never watched and never cached. The pods of a namespace are listed when one of its objects
//! needs it: one list serves all objects of the namespace, and an idle fleet causes no requests. The
//! requests are in `rounds`, `list` and `annotate`. Without the permission none is made.

mod annotate;
mod list;
mod rounds;
mod schedule;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::RwLockWriteGuard;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::controller::context::Context;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::crd::{PodRefresh, ROTATION_SAFE};
use crate::domain::Request;
use crate::domain::pods::{NoAnnotation, PodUses, StaleUser, StaleUsers};
use crate::domain::reason::IssueReason;
use crate::domain::status::{NEVER_REFRESHED, Progress, Report, Seen};
use crate::runtime::Key;
use crate::runtime::lock::Lock;

use annotate::AnnotationQueue;
pub use annotate::annotate;
pub use rounds::list_when_due;
use schedule::{NewUrl, Round, Schedule};

/// What was found about pods, and which lists and annotations are planned.
#[derive(Debug)]
pub struct Pods {
    /// Whether pods may be listed and patched.
    is_granted: bool,
    state: Lock<PodsState>,
    /// Notified when a list may be due earlier than before.
    due: Notify,
    /// The pods to annotate.
    annotations: AnnotationQueue,
}

#[derive(Debug, Default)]
struct PodsState {
    schedule: Schedule,
    /// Target Secret → the users that never refresh it.
    stale: HashMap<Key, (StaleUser, usize)>,
    /// The objects that report such a user of an earlier process, until this process has listed the pods.
    unchecked: HashSet<Key>,
    /// Namespace with objects → the verb on pods that the API server last refused.
    refused: HashMap<String, &'static str>,
}

impl Pods {
    /// Nothing is found or planned yet. Without `is_granted` no request is ever made.
    #[must_use]
    pub fn new(is_granted: bool) -> Self {
        Self {
            is_granted,
            state: Lock::default(),
            due: Notify::new(),
            annotations: AnnotationQueue::default(),
        }
    }

    /// What a report states about the pods that use the target of a request.
    pub fn uses_of(&self, object: &LeanPresignedUrl, request: Option<&Request>) -> PodUses {
        let Some(request) = request else { return PodUses::default() };
        if !self.is_granted {
            let no_annotation = request.annotates_pods.then_some(NoAnnotation::NotGranted);
            return PodUses { stale: StaleUsers::Clear, no_annotation };
        }
        let owner = object.owner();
        let mut state = self.lock();
        let key = Key::new(&owner.namespace, &request.target.name);
        let refused = state.refused.get(&owner.namespace).filter(|_| request.annotates_pods);
        let no_annotation = refused.map(|verb| NoAnnotation::Forbidden(verb));
        let stale = match state.stale.get(&key) {
            Some((stale, others)) => StaleUsers::By(stale.clone(), *others),
            None if !state.schedule.was_answered(&owner.namespace) && says_never_refreshed(object) => {
                state.unchecked.insert(Key::from(object));
                StaleUsers::Unchanged
            }
            None => StaleUsers::Clear,
        };
        PodUses { stale, no_annotation }
    }

    /// Notes a reconcile of an object that has a URL. It may be time to list the pods of the namespace,
    /// and pods may have to be annotated for a URL that was `issued`.
    pub fn note(&self, owner: &Key, request: Option<&Request>, report: &Report, issued: Option<IssueReason>) {
        let is_up_to_date = issued.is_some() || report.progress == Progress::UpToDate;
        let (Some(request), Seen::Url(reported), true) =
            (request, &report.seen, self.is_granted && is_up_to_date)
        else {
            return;
        };
        let mut state = self.lock();
        let renewal = NewUrl {
            secret: &request.target.name,
            signing_time: reported.validity.signing_time,
            needs_annotation: request.annotates_pods,
            is_routine: issued == Some(IssueReason::RenewalDue),
        };
        let is_earlier = state.schedule.note(owner.namespace(), issued.map(|_| renewal), Instant::now());
        drop(state);
        if is_earlier {
            self.due.notify_one();
        }
    }

    /// The list that has been due longest, or else when the next one is due.
    fn next_round(&self) -> Result<Round, Option<Instant>> {
        let mut state = self.lock();
        let round = state.schedule.begin(Instant::now());
        round.ok_or_else(|| state.schedule.next())
    }

    /// Forgets an object that is gone. `is_last` is asked whether its namespace has no other object.
    pub fn forget(&self, object: &Key, is_last: impl FnOnce() -> bool) {
        let namespace = object.namespace();
        let (is_unchecked, is_refused) = {
            let state = self.state.read();
            (state.unchecked.contains(object), state.refused.contains_key(namespace))
        };
        if is_unchecked {
            self.lock().unchecked.remove(object);
        }
        if is_refused && is_last() {
            self.lock().refused.remove(namespace);
        }
    }

    /// Removes the objects of a namespace from those that report a user of an earlier process.
    fn take_unchecked(&self, namespace: &str) -> Vec<Key> {
        self.lock().unchecked.extract_if(|key| key.namespace() == namespace).collect()
    }

    /// Notes a list that failed, and returns the Secrets whose users are no longer known.
    fn failed(&self, round: &Round, is_forbidden: bool) -> Vec<Key> {
        let mut state = self.lock();
        state.schedule.failed(round, is_forbidden, Instant::now());
        let gone = state.stale.extract_if(|key, _| is_forbidden && key.namespace() == round.namespace);
        gone.map(|(key, _)| key).collect()
    }

    /// Stores what a list of pods found, and returns the Secrets whose users changed.
    fn learn(&self, round: &Round, found: BTreeMap<String, (StaleUser, usize)>) -> Vec<Key> {
        let mut state = self.lock();
        let namespace = &*round.namespace;
        state.schedule.listed(round, !found.is_empty(), Instant::now());
        let mut before: HashMap<_, _> =
            state.stale.extract_if(|key, _| key.namespace() == namespace).collect();
        let mut news = Vec::new();
        for (secret, stale) in found {
            let key = Key::new(namespace, &secret);
            if before.remove(&key).as_ref() != Some(&stale) {
                news.push(key.clone());
            }
            state.stale.insert(key, stale);
        }
        news.extend(before.into_keys());
        news
    }

    /// Whether this verb on pods is the one that was last refused.
    fn is_refused(&self, namespace: &str, verb: &str) -> bool {
        self.lock().refused.get(namespace).is_some_and(|refused| *refused == verb)
    }

    /// Notes whether the API server refuses a verb on pods, and returns whether that is new.
    fn refuse(&self, namespace: &str, refused: Option<&'static str>) -> bool {
        let mut state = self.lock();
        let before = match refused {
            Some(verb) => state.refused.insert(namespace.to_owned(), verb),
            None => state.refused.remove(namespace),
        };
        if before == refused {
            return false;
        }
        if let Some(verb) = refused {
            let advice = "the API server forbids requests for pods: set the chart value pods.enabled";
            tracing::warn!(namespace, verb, "{advice}");
        } else {
            tracing::info!(namespace, "the API server allows requests for pods again");
        }
        true
    }

    fn lock(&self) -> RwLockWriteGuard<'_, PodsState> {
        self.state.write()
    }
}

/// Notes whether the API server refuses a verb on pods. If that is new, wakes the objects whose reports change
/// by it.
fn set_refused(ctx: &Context, namespace: &str, refused: Option<&'static str>) {
    if !ctx.pods.refuse(namespace, refused) {
        return;
    }
    let keys = ctx.objects.in_namespace(namespace);
    if keys.is_empty() {
        // The last one was deleted during the request.
        ctx.pods.lock().refused.remove(namespace);
    }
    for key in keys {
        // A spec that the cache does not hold may ask for it.
        let asks = |object: LeanPresignedUrl| {
            object.spec.map_or(true, |spec| spec.pod_refresh == Some(PodRefresh::Annotate))
        };
        if ctx.objects.get(&key).is_some_and(asks) {
            ctx.wake(&key);
        }
    }
}

/// Whether the last report says that a pod never refreshes. It may be that of an earlier process.
fn says_never_refreshed(object: &LeanPresignedUrl) -> bool {
    object.status.conditions.iter().any(|c| c.type_ == ROTATION_SAFE && c.reason == NEVER_REFRESHED)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::policy::Requester;

    /// An object that asks for annotated pods, and whose status reports a user of an earlier process.
    fn object(name: &str) -> (LeanPresignedUrl, Request) {
        let spec = json!({
            "bucket": "reports", "key": "k", "podRefresh": "Annotate", "secret": {"name": format!("{name}-url")},
            "s3": {"endpoint": "https://s3.example", "region": "r", "credentials": {"secretRef": {"name": "keys"}}},
        });
        let request = serde_json::from_value(spec.clone()).unwrap();
        let request = Request::inline(Requester::new("n", name), &request, None).unwrap();
        let condition = json!({
            "type": ROTATION_SAFE, "reason": NEVER_REFRESHED, "status": "False", "message": "",
            "lastTransitionTime": "2030-01-02T03:04:05Z",
        });
        let object = json!({
            "metadata": {"namespace": "n", "name": name, "uid": "u"},
            "spec": spec, "status": {"conditions": [condition]},
        });
        (serde_json::from_value(object).unwrap(), request)
    }

    #[test]
    fn nothing_stays_of_objects_that_are_gone() {
        let pods = Pods::new(true);
        assert!(pods.refuse("n", Some("patch")) && pods.refuse("other", Some("list")));
        let keys = ["a", "b"].map(|name| {
            let (object, request) = object(name);
            let uses = pods.uses_of(&object, Some(&request));
            assert!(matches!(uses.stale, StaleUsers::Unchanged), "{uses:?}");
            assert!(matches!(uses.no_annotation, Some(NoAnnotation::Forbidden("patch"))), "{uses:?}");
            Key::from(&object)
        });
        pods.forget(&keys[0], || false);
        assert!(pods.is_refused("n", "patch"), "the namespace has another object");
        assert_eq!(pods.take_unchecked("n"), keys[1..]);
        pods.forget(&keys[1], || true);
        let state = pods.lock();
        assert_eq!((state.unchecked.len(), state.stale.len()), (0, 0));
        assert_eq!(state.refused.keys().collect::<Vec<_>>(), ["other"]);
    }
}
