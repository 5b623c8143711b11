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

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, RwLockWriteGuard};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::controller::context::Context;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::crd::ROTATION_SAFE;
use crate::domain::Request;
use crate::domain::pods::{NoAnnotation, PodUses, StaleUser, StaleUsers};
use crate::domain::reason::IssueReason;
use crate::domain::status::{NEVER_REFRESHED, Progress, Report, Seen};
use crate::runtime::Key;
use crate::runtime::lock::Lock;

use annotate::AnnotationQueue;
pub use annotate::annotate;
pub use rounds::rounds;
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
    to_annotate: Arc<AnnotationQueue>,
}

#[derive(Debug, Default)]
struct PodsState {
    schedule: Schedule,
    /// Target Secret → the users that never refresh it. `None` when an earlier process reported such a
    /// user and this process has not listed the pods yet.
    stale: HashMap<Key, Option<(StaleUser, usize)>>,
    /// Namespace → the verb on pods that the API server last refused.
    refused: HashMap<String, &'static str>,
    /// Namespace → the objects whose specs ask for annotated pods.
    askers: HashMap<String, BTreeSet<String>>,
}

impl Pods {
    /// Nothing is found or planned yet. Without `is_granted` no request is ever made.
    #[must_use]
    pub fn new(is_granted: bool) -> Self {
        Self { is_granted, state: Lock::default(), due: Notify::new(), to_annotate: Arc::default() }
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
            Some(Some((stale, others))) => StaleUsers::By(stale.clone(), *others),
            Some(None) => StaleUsers::Unchanged,
            None if !state.schedule.was_listed(&owner.namespace) && says_never_refreshed(object) => {
                state.stale.insert(key, None);
                StaleUsers::Unchanged
            }
            None => StaleUsers::Clear,
        };
        PodUses { stale, no_annotation }
    }

    /// Notes a reconcile of an object that has a URL. It may be time to list the pods of the namespace,
    /// and pods may have to be annotated for a URL that was `issued`.
    pub fn note(&self, owner: &Key, request: Option<&Request>, report: &Report, issued: Option<IssueReason>) {
        let is_settled = issued.is_some() || report.progress == Progress::UpToDate;
        let (Some(request), Seen::Url(standing), true) =
            (request, &report.seen, self.is_granted && is_settled)
        else {
            return;
        };
        let mut state = self.lock();
        if request.annotates_pods {
            state.askers.entry(owner.namespace().to_owned()).or_default().insert(owner.name().to_owned());
        }
        let renewal = NewUrl {
            secret: &request.target.name,
            signing_time: standing.validity.signing_time,
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
        let PodsState { schedule, askers, refused, .. } = &mut *state;
        askers.retain(|namespace, _| schedule.knows(namespace) || refused.contains_key(namespace));
        round.ok_or_else(|| schedule.next())
    }

    /// Notes a list that failed, and returns the Secrets whose users are no longer known.
    fn failed(&self, round: &Round, is_forbidden: bool) -> Vec<Key> {
        let mut state = self.lock();
        state.schedule.failed(&round.namespace, is_forbidden, Instant::now());
        let gone = state.stale.extract_if(|key, _| is_forbidden && key.namespace() == round.namespace);
        gone.map(|(key, _)| key).collect()
    }

    /// Stores what a list of pods found, and returns the Secrets whose users changed.
    fn learn(&self, round: &Round, found: BTreeMap<String, (StaleUser, usize)>) -> Vec<Key> {
        let mut state = self.lock();
        let namespace = &*round.namespace;
        state.schedule.listed(round, !found.is_empty(), Instant::now());
        let mut before = HashMap::new();
        for (key, stale) in state.stale.extract_if(|key, _| key.namespace() == namespace) {
            before.insert(key, stale);
        }
        let mut news = Vec::new();
        for (secret, stale) in found {
            let key = Key::new(namespace, &secret);
            if before.remove(&key).flatten().as_ref() != Some(&stale) {
                news.push(key.clone());
            }
            state.stale.insert(key, Some(stale));
        }
        news.extend(before.into_keys());
        news
    }

    /// Whether this verb on pods is the one that was last refused.
    fn is_refused(&self, namespace: &str, verb: &str) -> bool {
        self.lock().refused.get(namespace).is_some_and(|refused| *refused == verb)
    }

    /// Notes whether the API server refuses a verb on pods, and returns the objects whose report changes
    /// by that.
    fn refuse(&self, namespace: &str, refused: Option<&'static str>) -> Vec<String> {
        let mut state = self.lock();
        let before = match refused {
            Some(verb) => state.refused.insert(namespace.to_owned(), verb),
            None => state.refused.remove(namespace),
        };
        if before == refused {
            return Vec::new();
        }
        if let Some(verb) = refused {
            let advice = "the API server forbids requests for pods: set the chart value pods.enabled";
            tracing::warn!(namespace, verb, "{advice}");
        } else {
            tracing::info!(namespace, "the API server allows requests for pods again");
        }
        state.askers.get(namespace).into_iter().flatten().cloned().collect()
    }

    fn lock(&self) -> RwLockWriteGuard<'_, PodsState> {
        self.state.write()
    }
}

/// Wakes objects of a namespace by their names.
fn wake_named(ctx: &Context, namespace: &str, names: Vec<String>) {
    for name in names {
        ctx.wake(&Key::new(namespace, &name));
    }
}

/// Whether the last report says that a pod never refreshes. It may be that of an earlier process.
fn says_never_refreshed(object: &LeanPresignedUrl) -> bool {
    object.status.conditions.iter().any(|c| c.type_ == ROTATION_SAFE && c.reason == NEVER_REFRESHED)
}
