//! What every reconcile has at hand.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::time::Instant;

use crate::controller::events::Events;
use crate::controller::metrics::Metrics;
use crate::controller::pods::Pods;
use crate::controller::reconcile::error::Failure;
use crate::controller::state::answer::Answered;
use crate::controller::state::credentials::CredentialsCache;
use crate::controller::state::dependents::Dependents;
use crate::controller::state::histories::Histories;
use crate::controller::state::issued_secrets::IssuedSecrets;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::state::objects::Objects;
use crate::controller::state::obstacles::Obstacles;
use crate::controller::state::scopes::Scopes;
use crate::controller::watch::by_name::{LastTerm, SecretAccess};
use crate::controller::watch::namespaces::Synced;
use crate::domain::Limits;
use crate::domain::finish::Next;
use crate::domain::history;
use crate::runtime::schedule::{self, Cause, Limiter, Queue};
use crate::runtime::watch::{Restart, Watches};
use crate::runtime::{Clock, Key, Leadership, Skew};
use crate::s3::Signer;

/// How long to wait for something that a watch will tell, in case it does not.
pub const SAFETY_NET: Duration = Duration::from_secs(history::SAFETY_NET as u64);

/// What every reconcile has at hand.
pub struct Context {
    /// The way to the API server.
    pub client: Client,
    /// Whether this process is the one that writes.
    pub leadership: Leadership,
    /// The term that was seen last.
    pub last_term: LastTerm,
    /// How Secrets may be read.
    pub secret_access: SecretAccess,
    /// The time.
    pub clock: Clock,
    /// Signs URLs.
    pub signer: Signer,
    /// What a spec may ask for.
    pub limits: Limits,
    /// What is asked for, and what was reported.
    pub objects: Arc<Objects>,
    /// What our Secrets hold.
    pub issued_secrets: Arc<IssuedSecrets>,
    /// The foreign Secrets in the place of ours.
    pub obstacles: Obstacles,
    /// What the credentials Secrets hold.
    pub credentials: CredentialsCache,
    /// Who looks at which Secret.
    pub dependents: Dependents,
    /// What happened to the objects that are not at rest.
    pub histories: Histories,
    /// When each object is reconciled next.
    pub queue: Arc<Queue<Key>>,
    /// The pause that an API server asked for, and the bound of calls beside reconciles.
    pub limiter: Limiter,
    /// What measures the clock of the API server.
    pub skew: Skew,
    /// The pods that use our Secrets.
    pub pods: Pods,
    /// Takes events to be written.
    pub events: Events,
    /// Counts.
    pub metrics: Metrics,
    /// What is watched.
    pub scopes: Scopes,
    /// Where the first lists are complete.
    pub synced: Synced,
    /// Begins the watches anew.
    pub restart: Restart,
    /// How the watches are.
    pub watches: Watches,
}

impl Context {
    /// Has an object reconciled now, and says whether there is such an object. Nothing is
    /// reconciled before the first lists are complete; then everything is.
    pub fn wake(&self, key: &Key) -> bool {
        let is_there = self.objects.contains(key);
        if is_there && self.synced.is_complete(key.namespace()) {
            self.queue.wake(key);
        }
        is_there
    }

    /// The moment at which the wall clock will show `time`; now if it has passed.
    fn instant(&self, time: Timestamp) -> Instant {
        Instant::now() + self.clock.until(time)
    }

    /// When the queue gives an object out again.
    pub fn when(&self, next: Next) -> schedule::Next {
        let safety_net = schedule::Next::after(SAFETY_NET, Cause::SafetyNet);
        let timer = |time| schedule::Next { at: self.instant(time), cause: Cause::Timer };
        match next {
            Next::At(time) => timer(time),
            Next::OnChange(Some(time)) if self.instant(time) < safety_net.at => timer(time),
            Next::OnChange(_) => safety_net,
        }
    }

    /// Takes in what became of an answer in the cache.
    pub fn learned(&self, key: &Key, answered: Answered) {
        match answered {
            Answered::Known => {}
            Answered::LookAgain => self.wake_owners(key),
            Answered::WentBack => self.begin_watches_anew(),
        }
    }

    /// Wakes the objects that may have written a Secret, or that are called like it.
    fn wake_owners(&self, key: &Key) {
        self.wake(key);
        for object in self.dependents.of(key) {
            self.wake(&object);
        }
    }

    /// Says which Secrets an object looks at, and forgets those at which nobody looks any more.
    pub fn depend(&self, object: &Key, secrets: &BTreeSet<String>) {
        for unnamed in self.dependents.set(object, secrets) {
            self.credentials.evict(&unnamed);
            self.obstacles.remove(&unnamed, u64::MAX);
        }
    }

    /// Forgets what the watches have shown, and lists everything anew: the API server was
    /// restored to an earlier state, of which they would show nothing.
    pub fn begin_watches_anew(&self) {
        tracing::warn!("the API server was restored to an earlier state: everything is listed anew");
        self.restart.restart();
    }

    /// Sees to it that nothing is written for an object that is gone or going.
    ///
    /// # Errors
    /// [`Failure::Gone`].
    pub fn require_live(&self, object: &LeanPresignedUrl) -> Result<(), Failure> {
        if self.objects.is_live(&Key::from(object), object.uid()) { Ok(()) } else { Err(Failure::Gone) }
    }

    /// The Secrets of a namespace.
    #[must_use]
    pub fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The `PresignedUrl`s of a namespace.
    #[must_use]
    pub fn presigned_urls(&self, namespace: &str) -> Api<LeanPresignedUrl> {
        Api::namespaced(self.client.clone(), namespace)
    }
}
