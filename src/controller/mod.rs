//! The shell: when, and with which Kubernetes IO. `reconcile` tells the story.
//!
//! Decisions are made in `domain`, URLs in `s3`; this room connects them to the API
//! server and owns no rule.

mod access;
mod apply;
mod attempts;
mod calm;
mod conclude;
mod context;
mod credentials;
mod dependents;
mod error;
mod facts;
mod gate;
mod inventory;
mod metrics;
mod object;
mod observe;
mod pods;
mod prune;
mod reconcile;
mod report;
mod reports;
mod scope;
mod tally;
mod triggers;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::Client;
use kube::runtime::controller::Action;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::crd::names::OPERATOR;
use crate::ops::{Clock, Leadership, Probes, clock};
use crate::s3::Signer;
pub use access::SecretAccess;
use context::Context;
use gate::Gate;
use object::LeanPresignedUrl;
use scope::{PassError, Scope, Signals, Synced};
use triggers::Alarm;

/// How often the wall clock is compared with the monotonic one.
const TICK: Duration = Duration::from_secs(2);
/// How long a shutdown waits for passes in flight.
const DRAIN: Duration = Duration::from_secs(20);

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
    scopes: Vec<Scope>,
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
        let scopes: Vec<Scope> = namespaces.iter().cloned().map(Scope::new).collect();
        let objects = scopes.iter().map(Scope::objects).collect();
        registry.register_collector(Box::new(inventory::Inventory::new(objects, clock.clone())));
        let reporter = Reporter { controller: OPERATOR.to_owned(), instance: Some(instance) };
        let context = Arc::new(Context {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            leadership,
            last_term: access::LastTerm::default(),
            secret_access,
            gate: Gate::new(max_in_flight),
            clock,
            signer: Signer::default(),
            facts: facts::Facts::default(),
            credentials: credentials::CredentialsCache::default(),
            dependents: dependents::Dependents::default(),
            attempts: attempts::Attempts::default(),
            reports: reports::Reports::default(),
            calm: calm::Calm::default(),
            pods: pods::Pods::new(pods),
            metrics: metrics::Metrics::register(registry),
            synced: Synced::new(&namespaces),
        });
        Self { context, scopes, probes }
    }

    /// Runs until `stop` resolves and the passes in flight have ended (20 s at most).
    pub async fn run(self, stop: impl Future<Output = ()> + Send + Sync + 'static) {
        let Self { context, scopes, probes } = self;
        let stopped = watch::Sender::new(false);
        let jumped = watch::Sender::new(());
        let alarm = Arc::new(Alarm::new(scopes.iter().map(Scope::bell).collect()));
        let mut watches = JoinSet::new();
        watches.spawn(pods::rounds(context.clone(), alarm.clone()));
        watches.spawn(pods::poke(context.clone(), alarm.clone()));
        let passes = scopes.into_iter().map(|scope| {
            let signals = Signals {
                alarm: alarm.clone(),
                again: changes(jumped.subscribe()).boxed(),
                stop: Box::pin(is_true(stopped.subscribe())),
            };
            scope.start(context.clone(), &probes, &mut watches, signals)
        });
        let passes = futures::stream::select_all(passes.collect::<Vec<_>>());
        let notice_jumps = clock::jumps(context.clock.clone(), TICK).for_each(|()| {
            jumped.send_replace(());
            std::future::ready(())
        });
        let wait_to_stop = async {
            stop.await;
            context.gate.close();
            context.synced.give_up();
            stopped.send_replace(true);
            tokio::time::sleep(DRAIN).await;
            tracing::warn!("passes still under way after {}s are left behind", DRAIN.as_secs());
        };
        tokio::select! {
            () = turn(passes, &probes) => {}
            () = notice_jumps => {}
            () = wait_to_stop => {}
        }
    }
}

/// Yields at each change.
fn changes(receiver: watch::Receiver<()>) -> impl Stream<Item = ()> + Send + 'static {
    futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        Some(((), receiver))
    })
}

/// Resolves when it turns true.
async fn is_true(mut receiver: watch::Receiver<bool>) {
    if receiver.wait_for(|is_true| *is_true).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Turns the passes until they end.
async fn turn(
    mut passes: impl Stream<Item = Result<(ObjectRef<LeanPresignedUrl>, Action), PassError>> + Unpin,
    probes: &Probes,
) {
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            // What failed was reported, a watch's trouble by the watch; an object that is gone
            // needs no pass.
            pass = passes.next() => if pass.is_none() { return },
            _ = tick.tick() => probes.beat(),
        }
    }
}
