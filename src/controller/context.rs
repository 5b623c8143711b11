//! What every pass has at hand.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use crate::controller::events::Events;
use crate::controller::gate::{Gate, Pass};
use crate::controller::metrics::Metrics;
use crate::controller::pods::Pods;
use crate::controller::queue::Queue;
use crate::controller::state::attempts::Attempts;
use crate::controller::state::credentials::CredentialsCache;
use crate::controller::state::dependents::Dependents;
use crate::controller::state::issued_secrets::Facts;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::state::objects::Objects;
use crate::controller::watch::by_name::{LastTerm, SecretAccess};
use crate::controller::watch::namespaces::Synced;
use crate::runtime::key::Key;
use crate::runtime::{Clock, Leadership, NotLeading};
use crate::s3::Signer;

/// What every pass has at hand.
pub struct Context {
    /// The way to the API server.
    pub client: Client,
    /// Whether this process is the one that writes.
    pub leadership: Leadership,
    /// The term that was seen last.
    pub last_term: LastTerm,
    /// How Secrets may be read.
    pub secret_access: SecretAccess,
    /// The order and the bound of calls.
    pub gate: Gate,
    /// The time.
    pub clock: Clock,
    /// Signs URLs.
    pub signer: Signer,
    /// What our Secrets hold.
    pub facts: Facts,
    /// What the credentials Secrets hold.
    pub credentials: CredentialsCache,
    /// Who looks at which Secret.
    pub dependents: Dependents,
    /// What failed, and until when it waits.
    pub attempts: Attempts,
    /// What is asked for, and what was reported.
    pub objects: Arc<Objects>,
    /// When each object is looked at next.
    pub queue: Queue,
    /// The pods that use our Secrets.
    pub pods: Pods,
    /// Takes events to be written.
    pub events: Events,
    /// Counts.
    pub metrics: Metrics,
    /// Where the first lists are complete.
    pub synced: Synced,
}

impl Context {
    /// Has an object looked at now, and says whether there is such an object. Nothing is
    /// looked at before the first lists are complete; then everything is.
    pub fn wake(&self, key: &Key) -> bool {
        let is_there = self.objects.contains(key);
        if is_there && self.synced.is_complete(key.namespace()) {
            self.queue.wake(key, self.urgency(key));
        }
        is_there
    }

    /// The second at which the URL of an object expires; now when there is none.
    #[must_use]
    pub fn urgency(&self, key: &Key) -> i64 {
        self.objects.expiration(key).unwrap_or_else(|| self.clock.now().as_second())
    }

    /// A turn at the API server; see [`Gate::enter`].
    ///
    /// # Errors
    /// When nothing is to be begun any more.
    pub async fn turn(&self, urgency: i64) -> Result<Pass, NotLeading> {
        self.gate.enter(urgency).await
    }

    /// A turn to tell what was done; see [`Gate::enter_last`].
    pub async fn last_turn(&self, urgency: i64) -> Pass {
        self.gate.enter_last(urgency).await
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

/// How long to wait for something that a watch will tell, in case it does not.
pub const SAFETY_NET: Duration = Duration::from_secs(300);
