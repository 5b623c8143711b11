//! The pods that use our Secrets: when a namespace is looked at, what was found there, and
//! who is to be told of a new URL.
//!
//! Pods are never watched and never kept. A namespace is looked at when one of its objects
//! gives a reason: one list answers for all its objects, and an idle fleet makes no call.
//! The calls themselves are in `rounds`, `list` and `annotate`; without the permission to look
//! none is made.

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
use crate::domain::pods::{Frozen, FrozenSight, NoPokes, PodSight};
use crate::domain::reason::IssueReason;
use crate::domain::status::{NEVER_REFRESHED, Progress, Report, Seen};
use crate::runtime::Key;
use crate::runtime::lock::Lock;

use annotate::Pokes;
pub use annotate::poke;
pub use rounds::rounds;
use schedule::{Renewal, Round, Schedule};

/// What is known of pods, and what is to be done about them.
#[derive(Debug)]
pub struct Pods {
    /// Whether pods may be looked at and touched.
    is_granted: bool,
    state: Lock<State>,
    /// Notified when a round may be due earlier than before.
    due: Notify,
    /// The pods that are to be told.
    pokes: Arc<Pokes>,
}

#[derive(Debug, Default)]
struct State {
    schedule: Schedule,
    /// Target Secret → who uses it in a way that never refreshes; nobody known yet for one
    /// that a former process reported.
    frozen: HashMap<Key, Option<(Frozen, usize)>>,
    /// Namespace → the verb that the API server refused last.
    refused: HashMap<String, &'static str>,
    /// Namespace → the objects that ask for pokes.
    askers: HashMap<String, BTreeSet<String>>,
}

impl Pods {
    /// Looks at pods only where that is granted.
    #[must_use]
    pub fn new(is_granted: bool) -> Self {
        Self { is_granted, state: Lock::default(), due: Notify::new(), pokes: Arc::default() }
    }

    /// What a report says about the pods that use the target of a request.
    pub fn sight(&self, object: &LeanPresignedUrl, request: Option<&Request>) -> PodSight {
        let Some(request) = request else { return PodSight::default() };
        if !self.is_granted {
            let no_pokes = request.poke_pods.then_some(NoPokes::NotGranted);
            return PodSight { frozen: FrozenSight::Clear, no_pokes };
        }
        let owner = object.owner();
        let mut state = self.lock();
        let key = Key::new(&owner.namespace, &request.target.name);
        let refused = state.refused.get(&owner.namespace).filter(|_| request.poke_pods);
        let no_pokes = refused.map(|verb| NoPokes::Forbidden(verb));
        let frozen = match state.frozen.get(&key) {
            Some(Some((frozen, others))) => FrozenSight::By(frozen.clone(), *others),
            Some(None) => FrozenSight::Unchanged,
            None if !state.schedule.was_looked_at(&owner.namespace) && says_frozen(object) => {
                state.frozen.insert(key, None);
                FrozenSight::Unchanged
            }
            None => FrozenSight::Clear,
        };
        PodSight { frozen, no_pokes }
    }

    /// Takes note of a reconcile whose object holds a URL: the pods of its namespace may be worth
    /// a look, and have to be told of a URL that was `issued`.
    pub fn note(&self, owner: &Key, request: Option<&Request>, report: &Report, issued: Option<IssueReason>) {
        let is_settled = issued.is_some() || report.progress == Progress::Settled;
        let (Some(request), Seen::Url(standing), true) =
            (request, &report.seen, self.is_granted && is_settled)
        else {
            return;
        };
        let mut state = self.lock();
        if request.poke_pods {
            state.askers.entry(owner.namespace().to_owned()).or_default().insert(owner.name().to_owned());
        }
        let renewal = Renewal {
            secret: &request.target.name,
            signing_time: standing.validity.signing_time,
            is_told: request.poke_pods,
            is_routine: issued == Some(IssueReason::RenewalDue),
        };
        let is_earlier = state.schedule.note(owner.namespace(), issued.map(|_| renewal), Instant::now());
        drop(state);
        if is_earlier {
            self.due.notify_one();
        }
    }

    /// The look that is due for longest, or when the next one is.
    fn next_round(&self) -> Result<Round, Option<Instant>> {
        let mut state = self.lock();
        let round = state.schedule.begin(Instant::now());
        let State { schedule, askers, refused, .. } = &mut *state;
        askers.retain(|namespace, _| schedule.knows(namespace) || refused.contains_key(namespace));
        round.ok_or_else(|| schedule.next())
    }

    /// Takes note of a look that failed, and returns the Secrets about which nothing is known
    /// any more.
    fn failed(&self, round: &Round, is_forbidden: bool) -> Vec<Key> {
        let mut state = self.lock();
        state.schedule.failed(&round.namespace, is_forbidden, Instant::now());
        let gone = state.frozen.extract_if(|key, _| is_forbidden && key.namespace() == round.namespace);
        gone.map(|(key, _)| key).collect()
    }

    /// Takes in what a look at a namespace found, and returns the Secrets about which there
    /// is news.
    fn learn(&self, round: &Round, found: BTreeMap<String, (Frozen, usize)>) -> Vec<Key> {
        let mut state = self.lock();
        let namespace = &*round.namespace;
        state.schedule.looked(round, !found.is_empty(), Instant::now());
        let mut before = HashMap::new();
        for (key, frozen) in state.frozen.extract_if(|key, _| key.namespace() == namespace) {
            before.insert(key, frozen);
        }
        let mut news = Vec::new();
        for (secret, frozen) in found {
            let key = Key::new(namespace, &secret);
            if before.remove(&key).flatten().as_ref() != Some(&frozen) {
                news.push(key.clone());
            }
            state.frozen.insert(key, Some(frozen));
        }
        news.extend(before.into_keys());
        news
    }

    /// Whether this verb on pods was refused last.
    fn is_refused(&self, namespace: &str, verb: &str) -> bool {
        self.lock().refused.get(namespace).is_some_and(|refused| *refused == verb)
    }

    /// Notes whether the API server refuses a verb on pods, and returns the objects that have
    /// to say something else now.
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
            let advice = "the API server forbids it to touch pods: set the chart value pods.enabled";
            tracing::warn!(namespace, verb, "{advice}");
        } else {
            tracing::info!(namespace, "pods may be touched again");
        }
        state.askers.get(namespace).into_iter().flatten().cloned().collect()
    }

    fn lock(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write()
    }
}

/// Wakes objects of a namespace by their names.
fn wake_named(ctx: &Context, namespace: &str, names: Vec<String>) {
    for name in names {
        ctx.wake(&Key::new(namespace, &name));
    }
}

/// Whether the last report, perhaps that of a former process, says that a pod never refreshes.
fn says_frozen(object: &LeanPresignedUrl) -> bool {
    object.status.conditions.iter().any(|c| c.type_ == ROTATION_SAFE && c.reason == NEVER_REFRESHED)
}
