//! The context of every reconcile: clients, caches, queue and metrics.

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
use crate::controller::sessions::Sessions;
use crate::controller::state::answer::AnswerEffect;
use crate::controller::state::credentials::CredentialsCache;
use crate::controller::state::dependents::Dependents;
use crate::controller::state::histories::Histories;
use crate::controller::state::issued_secrets::IssuedSecrets;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::state::namespace_labels::NamespaceLabels;
use crate::controller::state::objects::Objects;
use crate::controller::state::obstacles::Obstacles;
use crate::controller::state::scopes::{Scope, Scopes};
use crate::controller::state::signer_users::SignerUsers;
use crate::controller::state::signers::{Signers, is_signer};
use crate::controller::term::LastTerm;
use crate::controller::verification::Verifications;
use crate::controller::watch::by_name::SecretAccess;
use crate::controller::watch::namespaces::Synced;
use crate::crd::SignerKind;
use crate::domain::finish::Next;
use crate::domain::history;
use crate::domain::resolve::ConnectionSettings;
use crate::domain::signer::SignerId;
use crate::domain::{Limits, Stored};
use crate::runtime::cache::Ticket;
use crate::runtime::schedule::{self, Cause, Limiter, Queue};
use crate::runtime::watch::{RestartHandle, Watches};
use crate::runtime::{Clock, Key, Leadership, Skew};
use crate::s3::UrlSigner;
use crate::sts::Sts;

/// How long an object waits for a watch event before the safety net reconciles it.
pub const SAFETY_NET: Duration = Duration::from_secs(history::SAFETY_NET as u64);

/// The context of every reconcile.
pub struct Context {
    /// The client of the API server.
    pub client: Client,
    /// The client for requests that a standby makes too. They change no stored object.
    pub unfenced: Client,
    /// Whether this process is the leader, which is the one that writes.
    pub leadership: Leadership,
    /// The term in which this process worked last.
    pub last_term: LastTerm,
    /// How Secrets may be read.
    pub secret_access: SecretAccess,
    /// The wall clock.
    pub clock: Clock,
    /// The signer of URLs.
    pub signer: UrlSigner,
    /// What the operator permits a spec to ask for.
    pub limits: Limits,
    /// Which connections and credentials the operator permits.
    pub connection_settings: ConnectionSettings,
    /// Whether `ClusterSigner`s are watched.
    pub cluster_signers: bool,
    /// Whether the labels of namespaces are watched.
    pub namespace_selectors: bool,
    /// The cache of signers.
    pub signers: Arc<Signers>,
    /// Which object uses which signer.
    pub signer_users: Arc<SignerUsers>,
    /// The cache of the labels of namespaces.
    pub namespace_labels: NamespaceLabels,
    /// The cache of the `PresignedUrl`s: specs and reported statuses.
    pub objects: Arc<Objects>,
    /// The cache of the Secrets that the operator wrote.
    pub issued_secrets: Arc<IssuedSecrets>,
    /// The cache of the foreign Secrets that have the name of a target.
    pub obstacles: Obstacles,
    /// The cache of credentials.
    pub credentials: CredentialsCache,
    /// The sessions that URLs are signed with.
    pub sessions: Arc<Sessions>,
    /// Calls the STS.
    pub sts: Sts,
    /// The questions to stores.
    pub verifications: Verifications,
    /// Which object depends on which Secret.
    pub dependents: Dependents,
    /// The histories of the objects that are not at rest.
    pub histories: Histories,
    /// The queue, which holds when each object is reconciled next.
    pub queue: Arc<Queue<Key>>,
    /// Holds the pause that the API server asked for, and bounds the requests that are made outside of
    /// reconciles.
    pub limiter: Limiter,
    /// The measured difference to the clock of the API server.
    pub skew: Skew,
    /// The pods that use our Secrets.
    pub pods: Pods,
    /// The queue of Kubernetes events.
    pub events: Events,
    pub metrics: Metrics,
    /// The watched scopes.
    pub scopes: Scopes,
    /// The scopes whose first lists are complete.
    pub synced: Synced,
    /// Restarts the watches.
    pub restart: RestartHandle,
    /// The health of the watches.
    pub watches: Watches,
}

impl Context {
    /// Wakes an object, and returns whether it exists. Before the first lists are complete nothing is
    /// woken; when they are complete, every object is.
    pub fn wake(&self, key: &Key) -> bool {
        let is_there = self.objects.contains(key);
        if is_there && self.synced.is_complete(key.namespace()) {
            self.queue.wake(key);
        }
        is_there
    }

    /// The instant at which the wall clock will show `time`; now if the time has passed.
    fn instant(&self, time: Timestamp) -> Instant {
        Instant::now() + self.clock.until(time)
    }

    /// When the queue hands out an object again.
    pub fn when(&self, next: Next) -> schedule::NextRun {
        let safety_net = schedule::NextRun::after(SAFETY_NET, Cause::SafetyNet);
        let timer = |time| schedule::NextRun { at: self.instant(time), cause: Cause::Timer };
        match next {
            Next::At(time) => timer(time),
            Next::OnChange(Some(time)) if self.instant(time) < safety_net.at => timer(time),
            Next::OnChange(_) => safety_net,
        }
    }

    /// Stores the answer to a request for one of our Secrets, and does what has to happen after it.
    pub fn store_answer(&self, key: &Key, ticket: Ticket<Key>, stored: Stored) {
        self.apply_effect(key, self.issued_secrets.answer(ticket, stored, !self.reads_by_name()));
    }

    /// Does what has to happen after a cache took in an answer for a Secret or an object.
    pub fn apply_effect(&self, key: &Key, effect: AnswerEffect) {
        match effect {
            AnswerEffect::None => {}
            AnswerEffect::Reconcile => self.wake_owners(key),
            AnswerEffect::RestartWatches => self.restart_watches(),
        }
    }

    /// Wakes the object that has the name of a Secret, and the objects that depend on the Secret.
    fn wake_owners(&self, key: &Key) {
        self.wake(key);
        self.wake_dependents(key);
    }

    /// Wakes the objects that depend on a Secret, and the writer of the statuses of signers if one does.
    pub fn wake_dependents(&self, secret: &Key) {
        for dependent in self.dependents.of(secret) {
            if is_signer(&dependent) {
                self.signers.wake();
            } else {
                self.wake(&dependent);
            }
        }
    }

    /// Records which Secrets an object depends on, and evicts what no object needs any more of those
    /// that it does not depend on now.
    pub fn depend(&self, object: &Key, secrets: &BTreeSet<Key>) {
        for left in self.dependents.set(object, secrets) {
            self.credentials.shrink(&self.dependents, &left);
            if !self.dependents.has_any(&left) {
                self.obstacles.remove(&left, u64::MAX);
            }
        }
    }

    /// Restarts all watches with new lists. This is needed when the API server was restored to an
    /// earlier state, because the old watches show nothing of that.
    pub fn restart_watches(&self) {
        tracing::warn!("the API server was restored to an earlier state: listing all objects again");
        self.restart.restart();
    }

    /// Requires that an object exists and is not being deleted. Checked before each write for it.
    ///
    /// # Errors
    /// [`Failure::Gone`] when the object is deleted or being deleted.
    pub fn require_live(&self, object: &LeanPresignedUrl) -> Result<(), Failure> {
        if self.objects.is_live(&Key::from(object), object.uid()) { Ok(()) } else { Err(Failure::Gone) }
    }

    /// The scope whose watch shows a signer.
    #[must_use]
    pub fn scope_of(&self, signer: &SignerId) -> Scope {
        if signer.kind == SignerKind::ClusterSigner { 0 } else { self.scopes.of_namespace(&signer.namespace) }
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
