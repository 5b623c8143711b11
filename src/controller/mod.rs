//! The shell: when, and with which Kubernetes IO. `reconcile` tells the story.
//!
//! Decisions are made in `domain`, URLs in `s3`; this room connects them to the API
//! server and owns no rule.

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
mod tally;
mod triggers;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::Client;
use kube::runtime::controller::{Action, Error as QueueError};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher;
use kube::runtime::{Config, Controller};
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::crd::names::OPERATOR;
use crate::ops::{Clock, Probes, clock};
use crate::s3::Signer;
use context::Context;
use gate::Gate;
use object::LeanPresignedUrl;
use triggers::Alarm;

/// How often the wall clock is compared with the monotonic one.
const TICK: Duration = Duration::from_secs(2);
/// How long a shutdown waits for passes in flight.
const DRAIN: Duration = Duration::from_secs(20);

type PassError = QueueError<Infallible, watcher::Error>;

/// What a person can set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of this process in events.
    pub instance: String,
    /// The only namespace to look after; all when absent.
    pub namespace: Option<String>,
    /// How many calls to the API server may be under way at a time.
    pub max_in_flight: usize,
    /// Whether looking at pods, and touching their annotations, is granted.
    pub pods: bool,
}

/// The controller, assembled and not yet running.
pub struct Presigner {
    context: Arc<Context>,
    objects: Store<LeanPresignedUrl>,
    writer: reflector::store::Writer<LeanPresignedUrl>,
    synced: watch::Sender<bool>,
    probes: Probes,
    namespace: Option<String>,
}

impl Presigner {
    /// Assembles the controller; its metrics go into `registry`, its readiness into
    /// `probes`.
    #[must_use]
    pub fn new(
        settings: Settings,
        client: Client,
        clock: Clock,
        registry: &mut Registry,
        probes: Probes,
    ) -> Self {
        let Settings { instance, namespace, max_in_flight, pods } = settings;
        let (synced, facts_synced) = watch::channel(false);
        let reporter = Reporter { controller: OPERATOR.to_owned(), instance: Some(instance) };
        let (objects, writer) = reflector::store();
        registry.register_collector(Box::new(inventory::Inventory::new(objects.clone(), clock.clone())));
        let context = Arc::new(Context {
            recorder: Recorder::new(client.clone(), reporter),
            client,
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
            synced: facts_synced,
        });
        Self { context, objects, writer, synced, probes, namespace }
    }

    /// Runs until `stop` resolves and the passes in flight have ended (20 s at most).
    pub async fn run(self, stop: impl Future<Output = ()> + Send + Sync + 'static) {
        let Self { context, objects, writer, synced, probes, namespace } = self;
        let (alarm, woken) = Alarm::new(objects.clone());
        let alarm = Arc::new(alarm);
        let ours = probes.check("watch of our Secrets");
        let others = probes.check("watch of other Secrets");
        let watches = [
            tokio::spawn(triggers::follow_ours(
                context.clone(),
                alarm.clone(),
                namespace.clone(),
                synced,
                ours,
            )),
            tokio::spawn(triggers::follow_others(context.clone(), alarm.clone(), namespace.clone(), others)),
            tokio::spawn(pods::rounds(context.clone(), alarm.clone())),
            tokio::spawn(pods::poke(context.clone(), alarm)),
        ];
        let changed = triggers::objects(
            context.clone(),
            writer,
            namespace.as_deref(),
            probes.check("watch of PresignedUrls"),
        );
        let (stopping, stopped) = watch::channel(false);
        let jumps = clock::jumps(context.clock.clone(), TICK);
        let passes = Controller::for_stream(changed, objects)
            // Unbounded: the gate bounds and orders what reaches the API server.
            .with_config(Config::default().concurrency(0))
            .reconcile_on(woken)
            .reconcile_all_on(jumps)
            .graceful_shutdown_on(async move {
                stop.await;
                stopping.send_replace(true);
            })
            .run(reconcile::reconcile, |_, never, _| match *never {}, context);
        turn(passes, &probes, stopped).await;
        for watch in watches {
            watch.abort();
        }
    }
}

/// Turns the controller's loop until it ends or its time to drain is over.
async fn turn(
    passes: impl Stream<Item = Result<(ObjectRef<LeanPresignedUrl>, Action), PassError>>,
    probes: &Probes,
    stopped: watch::Receiver<bool>,
) {
    let mut passes = std::pin::pin!(passes);
    let mut deadline = std::pin::pin!(drained(stopped, probes));
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            pass = passes.next() => match pass {
                None => return,
                Some(Err(QueueError::QueueError(error))) => triggers::trouble("PresignedUrls", &error),
                // What failed was reported; an object that is gone needs no pass.
                Some(Ok(_) | Err(_)) => {}
            },
            _ = tick.tick() => probes.beat(),
            () = &mut deadline => return,
        }
    }
}

/// Resolves when the passes in flight at a shutdown have had their time.
async fn drained(mut stopped: watch::Receiver<bool>, probes: &Probes) {
    if stopped.wait_for(|stopped| *stopped).await.is_err() {
        std::future::pending::<()>().await;
    }
    // Before the first lists are complete no pass has begun.
    if !probes.not_ready().is_empty() {
        return;
    }
    tokio::time::sleep(DRAIN).await;
    tracing::warn!("passes still under way after {}s are left behind", DRAIN.as_secs());
}
