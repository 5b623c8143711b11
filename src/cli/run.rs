//! `run`: how the parts of the operator are put together, and taken apart again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};

use super::Failure;
use super::run_args::RunArgs;
use super::sites::Ports;
use crate::controller::{Memory, Presigner, Process, Settings};
use crate::runtime::schedule::Limiter;
use crate::runtime::{
    Access, ApiCalls, Clock, Elector, Leadership, LeaseSettings, Metrics, Overload, Probes, Scrapes, Skew,
    Terms, client, http, logging, look_out,
};

/// After how long without a sign of life of the controller `/livez` fails.
const STALE_AFTER: Duration = Duration::from_secs(60);
/// Threads that work. The API server takes longer over two writes than one of them over a
/// whole reconcile; on a node of 64 cores 64 would only cost memory.
const THREADS: usize = 2;

/// Runs the operator until it is told to stop.
pub(super) fn run(args: RunArgs) -> Result<(), Failure> {
    run_observed(args, |_| ())
}

/// Runs the operator as `run` does, and gives `observe` a handle on what it holds in memory:
/// for tests that compare that with the API server.
///
/// # Errors
/// As `run`.
pub fn run_observed(args: RunArgs, observe: impl FnOnce(Memory) + Send + 'static) -> Result<(), Failure> {
    args.check().map_err(Failure::configuration)?;
    let filter = log_filter(args.log.clone());
    logging::init(&filter, args.log_format).map_err(Failure::configuration)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failure::from)?;
    // On a worker: from here every hand-over to one would cross threads.
    match runtime.block_on(runtime.spawn(operate(args, observe))) {
        Ok(ended) => ended,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the command line")]
fn log_filter(flag: Option<String>) -> String {
    let given = |text: &String| !text.trim().is_empty();
    flag.filter(given)
        .or_else(|| std::env::var("RUST_LOG").ok().filter(given))
        .unwrap_or_else(|| "info".to_owned())
}

async fn operate(args: RunArgs, observe: impl FnOnce(Memory)) -> Result<(), Failure> {
    let config = kube::Config::infer().await.map_err(|error| {
        Failure::configuration(anyhow!(
            "no way to the API server: neither a kubeconfig nor a ServiceAccount can be used: {error}"
        ))
    })?;
    let ports = Ports::open(&args).await?;
    let mut metrics = Metrics::new("presign", env!("CARGO_PKG_VERSION"));
    let (parts, probes) = (assemble(&args, &config, &mut metrics)?, Probes::new(STALE_AFTER));
    let Parts { settings, clock, client, asking, lease, leadership, elector, limiter, skew } = parts;
    let access = args.metrics.metrics_auth.then(|| Access::new(asking.clone()));
    tokio::spawn(look_out(asking, lease, clock.clone()));
    let registry = metrics.registry();
    let process = Process { clock, leadership, registry, probes: probes.clone(), limiter, skew };
    let presigner = Presigner::new(settings, client, process);
    observe(presigner.memory());

    let (drained, served) = (watch::Sender::new(false), watch::Sender::new(false));
    let mut election = elector.map(|elector| tokio::spawn(elector.run(is_true(&drained))));
    let mut servers = JoinSet::new();
    let (listen, metrics_listen) = ports.addresses().context("cannot tell where it listens")?;
    for (listener, site) in ports.sites(probes, Scrapes::new(metrics.into_encoder()), access) {
        servers.spawn(http::serve(listener, site, is_true(&served)));
    }
    let metrics_listen = metrics_listen.map(tracing::field::display);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, metrics_listen, "started");
    let stop = told_to_stop()?;
    let ended = tokio::select! {
        ended = presigner.run(stop) => ended,
        // Without it this process would never lead again, and look alive.
        Some(ended) = ended(&mut election) => {
            ended.context("the election of a leader failed")?;
            return Err(Failure::from(anyhow!("the election of a leader ended")));
        }
    };
    // Only now: until its last reconcile has ended, this process has to lead.
    drained.send_replace(true);
    if let Some(election) = election {
        election.await.context("the election of a leader failed")?;
    }
    served.send_replace(true);
    while let Some(ended) = servers.join_next().await {
        ended.context("the server for probes and metrics failed")?;
    }
    ended.context("the controller failed")?;
    tracing::info!("stopped");
    Ok(())
}

/// How the election ended; `None` when there is none.
async fn ended(election: &mut Option<JoinHandle<()>>) -> Option<Result<(), JoinError>> {
    match election {
        Some(election) => Some(election.await),
        None => None,
    }
}

/// What the flags and the configuration make.
struct Parts {
    settings: Settings,
    clock: Clock,
    client: kube::Client,
    /// For what a standby asks, too: its writes change nothing that is stored.
    asking: kube::Client,
    lease: LeaseSettings,
    leadership: Leadership,
    elector: Option<Elector>,
    limiter: Limiter,
    skew: Skew,
}

fn assemble(args: &RunArgs, config: &kube::Config, metrics: &mut Metrics) -> Result<Parts, Failure> {
    let (instance, clock) = (instance(), Clock::system());
    let identity = identity(&instance);
    let calls = ApiCalls::register(metrics.registry());
    let (skew, limiter) = (Skew::register(metrics.registry(), clock.clone()), Presigner::limiter());
    let paused = limiter.clone();
    let overload = Overload::new(move |pause| paused.pause(pause));
    let make_client = |leadership: &Leadership, overload: &Overload| {
        let deadline = Duration::from_secs(args.request_timeout);
        let terms = Terms {
            identity: identity.clone(),
            deadline,
            leadership: leadership.clone(),
            overload: overload.clone(),
            skew: skew.clone(),
        };
        client(config.clone(), calls.clone(), terms)
            .map_err(|error| Failure::configuration(anyhow!("cannot use the kubeconfig: {error}")))
    };
    let unopposed = Leadership::unopposed();
    // Who asks for metrics decides how many questions there are: too many must pause no reconcile.
    let asking = make_client(&unopposed, &Overload::default())?;
    let lease = args.lease(&identity, &config.default_namespace);
    let (elector, leadership) = if args.leader_elect {
        let (elector, leadership) =
            Elector::new(make_client(&unopposed, &overload)?, lease.clone(), clock.clone());
        (Some(elector), leadership)
    } else {
        (None, unopposed)
    };
    leadership.register(metrics.registry());
    let client = make_client(&leadership, &overload)?;
    let namespaces = args.namespace.clone();
    let (secret_access, max_in_flight) = (args.secret_access, args.max_in_flight.into());
    let limits = args.limits.limits().map_err(Failure::configuration)?;
    let settings = Settings { instance, namespaces, secret_access, max_in_flight, pods: args.pods, limits };
    Ok(Parts { settings, clock, client, asking, lease, leadership, elector, limiter, skew })
}

/// Resolves when it turns true, or when nobody is left to turn it.
fn is_true(sender: &watch::Sender<bool>) -> impl Future<Output = ()> + Send + 'static {
    let mut receiver = sender.subscribe();
    async move {
        let _ = receiver.wait_for(|is_true| *is_true).await;
    }
}

/// Resolves at SIGTERM or SIGINT.
fn told_to_stop() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop: finishing what is under way");
    })
}

/// The pod's name, as Kubernetes sets it, or a stand-in.
#[expect(clippy::disallowed_methods, reason = "this is the command line")]
fn instance() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "presign-operator".to_owned())
}

/// A name that no other process has, not even the next one in the same pod. The standard
/// library draws the keys of its hash maps from the system's chance.
fn identity(instance: &str) -> String {
    format!("{instance}_{:016x}", RandomState::new().hash_one(instance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_processes_share_an_identity() {
        assert_ne!(identity("pod"), identity("pod"));
        assert!(identity("pod").starts_with("pod_"));
    }
}
