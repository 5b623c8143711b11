//! What every pass has at hand.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::runtime::events::Recorder;
use kube::{Api, Client};
use tokio::sync::watch;

use super::attempts::Attempts;
use super::calm::Calm;
use super::credentials::CredentialsCache;
use super::dependents::Dependents;
use super::facts::Facts;
use super::gate::{Gate, Pass};
use super::metrics::Metrics;
use super::object::LeanPresignedUrl;
use super::pods::Pods;
use super::reports::Reports;
use crate::ops::Clock;
use crate::s3::Signer;

/// What every pass has at hand.
pub struct Context {
    /// The way to the API server.
    pub client: Client,
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
    /// Statuses that were written and not yet seen in the watch.
    pub reports: Reports,
    /// Bounds the events of an object.
    pub calm: Calm,
    /// The pods that use our Secrets.
    pub pods: Pods,
    /// Writes events.
    pub recorder: Recorder,
    /// Counts.
    pub metrics: Metrics,
    /// Turns true once the first list of our Secrets is complete.
    pub synced: watch::Receiver<bool>,
}

impl Context {
    /// Waits until the facts are complete: before that, every pass would have to look.
    pub async fn synced(&self) {
        let mut synced = self.synced.clone();
        // The sender ends with the process; then there is nothing left to wait for.
        let _ = synced.wait_for(|synced| *synced).await;
    }

    /// A turn at the API server; see [`Gate::enter`].
    pub async fn turn(&self, urgency: i64) -> Pass {
        self.gate.enter(urgency).await
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
