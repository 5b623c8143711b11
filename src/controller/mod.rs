//! The shell: when, and with which Kubernetes IO. `reconcile` tells the story.
//!
//! Decisions are made in `domain`, URLs in `s3`; this room connects them to the API
//! server and owns no rule.

mod context;
mod events;
mod gate;
mod metrics;
mod passes;
mod pods;
mod queue;
mod reconcile;
mod state;
mod watch;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::crd::names::OPERATOR;
use crate::runtime::{Clock, Leadership, Probes, clock};
use crate::s3::Signer;
use context::Context;
use events::{Events, Told};
use gate::Gate;
pub use watch::by_name::SecretAccess;
use watch::namespaces::Synced;

/// How often the wall clock is compared with the monotonic one, and life is shown.
const TICK: Duration = Duration::from_secs(2);

/// What a person can set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of this process in events.
    pub instance: String,
    /// The namespaces to look after; all when there is none.
    pub namespaces: Vec<String>,
    /// How Secrets may be read.
    pub secret_access: SecretAccess,
    /// How many calls to the API server may be under way at a time.
    pub max_in_flight: usize,
    /// Whether looking at pods, and touching their annotations, is granted.
    pub pods: bool,
}

/// What the controller is given by the process around it.
#[derive(Debug)]
pub struct Process<'a> {
    /// The time.
    pub clock: Clock,
    /// While this lasts, the controller works; otherwise it only keeps its memory fresh.
    pub leadership: Leadership,
    /// Where its metrics go.
    pub registry: &'a mut Registry,
    /// Where its health is told.
    pub probes: Probes,
}

/// The controller, assembled and not yet running.
pub struct Presigner {
    context: Arc<Context>,
    namespaces: Vec<Option<String>>,
    recorder: Recorder,
    told: mpsc::Receiver<Told>,
    width: usize,
    probes: Probes,
}

impl Presigner {
    /// Assembles the controller, which reaches the API server through `client`.
    #[must_use]
    pub fn new(settings: Settings, client: Client, process: Process<'_>) -> Self {
        let Settings { instance, namespaces, secret_access, max_in_flight, pods } = settings;
        let Process { clock, leadership, registry, probes } = process;
        let namespaces = match namespaces.len() {
            0 => vec![None],
            _ => namespaces.into_iter().map(Some).collect(),
        };
        let objects = Arc::new(state::objects::Objects::default());
        registry.register_collector(Box::new(metrics::Inventory::new(objects.clone(), clock.clone())));
        let reporter = Reporter { controller: OPERATOR.to_owned(), instance: Some(instance) };
        let recorder = Recorder::new(client.clone(), reporter);
        let (events, told) = Events::new();
        let context = Arc::new(Context {
            client,
            leadership,
            last_term: watch::by_name::LastTerm::default(),
            secret_access,
            gate: Gate::new(max_in_flight),
            clock,
            signer: Signer::default(),
            objects,
            queue: queue::Queue::default(),
            facts: state::issued_secrets::Facts::default(),
            credentials: state::credentials::CredentialsCache::default(),
            dependents: state::dependents::Dependents::default(),
            attempts: state::attempts::Attempts::default(),
            events,
            pods: pods::Pods::new(pods),
            metrics: metrics::Metrics::register(registry),
            synced: Synced::new(&namespaces),
        });
        Self { context, namespaces, recorder, told, width: max_in_flight, probes }
    }

    /// Runs until `stop` resolves and the passes in flight have ended (20 s at most).
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) {
        let Self { context, namespaces, recorder, told, width, probes } = self;
        let mut beside = JoinSet::new();
        for namespace in &namespaces {
            watch::namespaces::watch(&context, namespace.as_deref(), &probes, &mut beside);
        }
        beside.spawn(events::publish(context.clone(), recorder, told));
        beside.spawn(pods::rounds(context.clone()));
        beside.spawn(pods::poke(context.clone()));
        beside.spawn(look_again(context.clone()));
        passes::run(context, width, probes, stop).await;
    }
}

/// Has everything looked at after a jump of the clock, when every time that was waited for
/// is wrong, and at the beginning of a term.
async fn look_again(ctx: Arc<Context>) {
    let jumps = clock::jumps(ctx.clock.clone(), TICK);
    let mut reasons = std::pin::pin!(futures::stream::select(jumps, ctx.leadership.begins()));
    while reasons.next().await.is_some() {
        watch::everyone(&ctx, None);
    }
}
