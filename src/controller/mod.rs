//! The controller decides when an object is reconciled, and calls the API server. The steps of one
//! reconcile are in `reconcile`.
//!
//! `domain` makes the decisions and `s3` signs the URLs. This module connects them to the API server
//! and contains no rules of its own.

mod caught;
mod context;
mod events;
mod memory;
mod metrics;
mod pods;
mod reconcile;
mod sessions;
mod signer_statuses;
mod signing_certificate;
mod signing_service;
mod state;
mod term;
mod urgency;
mod verification;
mod watch;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use prometheus_client::registry::Registry;

use crate::crd::names::OPERATOR;
use crate::domain::Limits;
use crate::domain::resolve::ConnectionSettings;
use crate::runtime::schedule::{Cause, Limiter, NextRun, Queue, Workers};
use crate::runtime::watch::{RestartHandle, Watches};
use crate::runtime::{Clock, Key, Leadership, Probes, Skew, Tasks, clock};
use crate::s3::UrlSigner;
use crate::sts::Sts;
use crate::verify::StoreVerifier;
use context::Context;
use events::Events;
pub use memory::{CachedObject, Memory, Snapshot};
use reconcile::reconcile;
pub use signing_certificate::{CertificateSettings, SigningCertificate};
pub use signing_service::SigningService;
use state::namespace_labels::NamespaceLabels;
use state::scopes::Scopes;
use state::signer_users::SignerUsers;
use state::signers::Signers;
use urgency::Urgency;
pub use watch::by_name::SecretAccess;
use watch::namespaces::Synced;

/// How often the wall clock is compared with the monotonic one.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// How many requests run at a time outside of reconciles. Events, annotations and lists of pods use at most eight of
/// them, so that some are left for the statuses of signers and checks of credentials.
const BACKGROUND_REQUESTS: usize = 12;
/// When an object is reconciled again after a panic that `reconcile` does not catch, as in its report.
const AFTER_PANIC: Duration = Duration::from_secs(60);

/// The settings of the controller.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of this process in events.
    pub instance: String,
    /// The namespaces to watch; all when empty.
    pub namespaces: Vec<String>,
    /// How Secrets may be read.
    pub secret_access: SecretAccess,
    /// How many objects are reconciled at a time.
    pub max_in_flight: usize,
    /// Whether the operator may list pods and patch their annotations.
    pub pods: bool,
    /// What the operator permits a spec to ask for.
    pub limits: Limits,
    /// Which connections and credentials the operator permits.
    pub connection_settings: ConnectionSettings,
    /// Whether `ClusterSigner`s are watched.
    pub cluster_signers: bool,
    /// Whether the labels of namespaces are watched, for signers that select namespaces by them.
    pub namespace_selectors: bool,
}

/// What the process provides to the controller.
pub struct Process<'a> {
    /// The client for requests that a standby makes too. They change no stored object.
    pub unfenced: Client,
    /// The wall clock.
    pub clock: Clock,
    /// The leadership. A standby keeps its caches up to date and reconciles nothing.
    pub leadership: Leadership,
    /// The registry for the metrics of the controller.
    pub registry: &'a mut Registry,
    /// The probes that the controller updates.
    pub probes: Probes,
    /// The limiter, which holds the pause that the API server asks for.
    pub limiter: Limiter,
    /// The measured difference to the clock of the API server.
    pub skew: Skew,
    /// Calls the STS.
    pub sts: Sts,
    /// Asks stores about URLs; `None` when none may be asked.
    pub verifier: Option<StoreVerifier>,
}

/// A task of the controller ended. Its tasks never end unless there is a bug.
#[derive(Debug, thiserror::Error)]
#[error("the controller cannot continue: {task} ended")]
pub struct TaskEnded {
    task: &'static str,
}

/// The controller, assembled and not yet running.
pub struct Controller {
    context: Arc<Context>,
    recorder: Recorder,
    width: usize,
    probes: Probes,
}

impl Controller {
    /// Assembles the controller, which reaches the API server through `client`.
    #[must_use]
    pub fn new(settings: Settings, client: Client, process: Process<'_>) -> Self {
        let Settings {
            instance,
            namespaces,
            secret_access,
            max_in_flight,
            pods,
            limits,
            connection_settings,
            cluster_signers,
            namespace_selectors,
        } = settings;
        let Process { unfenced, clock, leadership, registry, probes, limiter, skew, sts, verifier } = process;
        let scopes = Scopes::new(&namespaces).with_signers(&connection_settings.signer_namespace);
        let objects = Arc::new(state::objects::Objects::new(scopes.clone()));
        let issued_secrets = Arc::new(state::issued_secrets::IssuedSecrets::new(scopes.clone()));
        let (signers, signer_users) = (Arc::new(Signers::default()), Arc::new(SignerUsers::default()));
        let inventory = metrics::Inventory::new(objects.clone(), clock.clone());
        registry.register_collector(Box::new(inventory));
        let inventory = metrics::SignerInventory::new(signers.clone(), signer_users.clone());
        registry.register_collector(Box::new(inventory));
        let sessions = Arc::new(sessions::Sessions::default());
        registry.register_collector(Box::new(metrics::SessionEnds(sessions.clone())));
        let reporter = Reporter { controller: OPERATOR.to_owned(), instance: Some(instance) };
        let recorder = Recorder::new(client.clone(), reporter);
        let urgency = Urgency {
            objects: objects.clone(),
            issued_secrets: issued_secrets.clone(),
            clock: clock.clone(),
            reads_by_name: secret_access == SecretAccess::Get,
        };
        let context = Arc::new(Context {
            client,
            unfenced,
            leadership,
            last_term: term::LastTerm::default(),
            secret_access,
            clock,
            signer: UrlSigner::default(),
            limits,
            connection_settings,
            cluster_signers,
            namespace_selectors,
            signers,
            signer_users,
            namespace_labels: NamespaceLabels::default(),
            objects,
            issued_secrets,
            obstacles: state::obstacles::Obstacles::new(scopes.clone()),
            credentials: state::credentials::CredentialsCache::default(),
            sessions,
            sts,
            verifications: verification::Verifications::new(verifier),
            dependents: state::dependents::Dependents::default(),
            histories: state::histories::Histories::default(),
            queue: Arc::new(Queue::new(move |key: &Key| urgency.rank(key))),
            limiter,
            skew,
            events: Events::new(),
            pods: pods::Pods::new(pods),
            metrics: metrics::Metrics::register(registry),
            synced: Synced::new(scopes.clone()),
            scopes,
            restart: RestartHandle::default(),
            watches: Watches::register(registry),
        });
        Self { context, recorder, width: max_in_flight, probes }
    }

    /// A handle on the caches, for tests.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory(self.context.clone())
    }

    /// What signs the URLs of CSI volumes. It works while the controller runs.
    #[must_use]
    pub fn signing_service(&self) -> SigningService {
        SigningService::new(self.context.clone())
    }

    /// A limiter for [`Process`], which permits as many requests outside of reconciles as the controller
    /// needs.
    #[must_use]
    pub fn limiter() -> Limiter {
        Limiter::new(BACKGROUND_REQUESTS)
    }

    /// Runs until `stop` resolves and the reconciles in flight have ended (20 s at most).
    ///
    /// # Errors
    /// [`TaskEnded`] when one of its tasks ended. That is a bug, and the process must not go on.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), TaskEnded> {
        let Self { context, recorder, width, probes } = self;
        let mut tasks = Tasks::default();
        watch::namespaces::spawn_watches(&context, &probes, &mut tasks);
        tasks.spawn("the writer of events", events::publish(context.clone(), recorder));
        tasks.spawn("the list of pods", pods::list_when_due(context.clone()));
        tasks.spawn("the annotation of pods", pods::annotate(context.clone()));
        tasks.spawn("the statuses of signers", signer_statuses::write_signer_statuses(context.clone()));
        tasks.spawn("the requests for sessions", sessions::request_sessions(context.clone()));
        tasks.spawn("the questions to stores", verification::ask_stores(context.clone()));
        tasks.spawn("the clock", wake_everyone(context.clone()));
        tasks.spawn("the check for a restored API server", restart_watches_after_restores(context.clone()));
        let ctx = context.clone();
        let workers = Workers {
            queue: context.queue.clone(),
            limiter: context.limiter.clone(),
            width,
            reconcile: move |job| reconcile(job, ctx.clone()),
            on_panic: move |key: &Key, _: &str| {
                context.metrics.panicked();
                tracing::error!(namespace = key.namespace(), name = key.name(), "a reconcile panicked");
                NextRun::after(AFTER_PANIC, Cause::SafetyNet)
            },
            beat: move || probes.beat(),
        };
        tokio::select! {
            all_ended = workers.run(stop) => {
                if !all_ended {
                    tracing::warn!("some reconciles did not end within 20 s: stopping without them");
                }
                Ok(())
            }
            task = tasks.ended() => Err(TaskEnded { task }),
        }
    }
}

/// Wakes all objects when a term begins, and after a jump of the wall clock, which makes every planned
/// time wrong.
async fn wake_everyone(ctx: Arc<Context>) {
    let jumps = clock::jumps(ctx.clock.clone(), CHECK_INTERVAL);
    let mut reasons = std::pin::pin!(futures::stream::select(jumps, ctx.leadership.begins()));
    while reasons.next().await.is_some() {
        for (scope, _) in ctx.scopes.all() {
            watch::everyone(&ctx, scope);
        }
    }
}

/// Restarts the watches when the lease shows that the API server was restored to an earlier state.
async fn restart_watches_after_restores(ctx: Arc<Context>) {
    let mut restores = std::pin::pin!(ctx.leadership.restores());
    while restores.next().await.is_some() {
        ctx.restart_watches();
    }
    // Without an elector no lease is read and the stream may end, but this task must not end.
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests;
