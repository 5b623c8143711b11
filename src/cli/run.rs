//! The command `run`: assembles, starts and stops the parts of the operator.

use std::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};

use super::ExitFailure;
use super::run_args::RunArgs;
use super::sites::{PortAddresses, Ports};
use crate::controller::{Controller, Memory, Process, Settings, SigningCertificate};
use crate::runtime::schedule::Limiter;
use crate::runtime::{
    Access, ApiCalls, ClientSettings, Clock, Elector, Leadership, LeaseSettings, MetricsRegistry, Overload,
    Probes, Scrapes, Skew, client, http, logging, search_for_rivals,
};
use crate::sts::Sts;
use crate::verify::StoreVerifier;

/// After this time without a beat of the controller, `/livez` fails.
const STALE_AFTER: Duration = Duration::from_secs(60);
/// The number of worker threads. The API server needs more time for two writes than a thread needs for a
/// whole reconcile. On a node with 64 cores, 64 threads would only cost memory.
const THREADS: usize = 2;

/// Runs the operator until it gets SIGTERM or SIGINT.
pub(super) fn run(args: RunArgs) -> Result<(), ExitFailure> {
    run_observed(args, |_| ())
}

/// Runs the operator as `run` does, and passes a handle on its caches to `observe`, for tests that compare
/// the caches with the API server.
///
/// # Errors
/// As for `run`.
pub fn run_observed(args: RunArgs, observe: impl FnOnce(Memory) + Send + 'static) -> Result<(), ExitFailure> {
    args.check().map_err(ExitFailure::configuration)?;
    let filter = log_filter(args.log.clone());
    logging::init(&filter, args.log_format).map_err(ExitFailure::configuration)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(ExitFailure::from)?;
    // This runs on a worker thread, because from this thread every wake of a task would cross threads.
    match runtime.block_on(runtime.spawn(operate(args, observe))) {
        Ok(ended) => ended,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the command line")]
pub(super) fn log_filter(flag: Option<String>) -> String {
    let given = |text: &String| !text.trim().is_empty();
    flag.filter(given)
        .or_else(|| std::env::var("RUST_LOG").ok().filter(given))
        .unwrap_or_else(|| "info".to_owned())
}

async fn operate(args: RunArgs, observe: impl FnOnce(Memory)) -> Result<(), ExitFailure> {
    // First, because the kernel drops a signal that process 1 of a container does not handle.
    let stop = stop_signal()?;
    let config = kube::Config::infer().await.map_err(|error| {
        ExitFailure::configuration(anyhow!(
            "cannot find the API server: neither a kubeconfig nor a ServiceAccount can be used: {error}"
        ))
    })?;
    let mut ports = Ports::open(&args).await?;
    let mut metrics = MetricsRegistry::new("presign", env!("CARGO_PKG_VERSION"));
    let (parts, probes) = (assemble(&args, &config, &mut metrics)?, Probes::new(STALE_AFTER));
    let Parts { settings, clock, client, unfenced, lease, leadership, elector, limiter, skew, sts, verifier } =
        parts;
    let certificate = args
        .signing_certificate
        .settings(&config.default_namespace)
        .map(|settings| SigningCertificate::new(settings, &client, leadership.clone(), clock.clone()));
    let uses_cluster_signers = args.signers.cluster_signers;
    let access = args.metrics.metrics_auth.then(|| Access::new(unfenced.clone()));
    tokio::spawn(search_for_rivals(unfenced.clone(), lease, clock.clone()));
    let registry = metrics.registry();
    let process = Process {
        unfenced,
        clock,
        leadership,
        registry,
        probes: probes.clone(),
        limiter,
        skew,
        sts,
        verifier,
    };
    let controller = Controller::new(settings, client, process);
    observe(controller.memory());

    let own_tls = certificate.as_ref().map(SigningCertificate::tls);
    let certificate = kept(certificate);
    let (drained, served) = (watch::Sender::new(false), watch::Sender::new(false));
    let mut election = elector.map(|elector| tokio::spawn(elector.run(is_true(&drained))));
    let mut servers = JoinSet::new();
    let PortAddresses { listen, metrics_listen, signing_listen } =
        ports.addresses().context("cannot read the address that it listens on")?;
    let stop = stop.shared();
    // The requests of the signing service need the controller, so the controller stops after them.
    let signing = ports.signing_site(|| controller.signing_service(), own_tls);
    let signing = signing.map(|(listener, site)| tokio::spawn(http::serve(listener, site, stop.clone())));
    let signing_failure = Arc::new(OnceLock::new());
    let stop = {
        let signing_failure = signing_failure.clone();
        async move {
            match signing {
                Some(signing) => drop(signing.await.map_err(|error| signing_failure.set(error))),
                None => stop.await,
            }
        }
    };
    for (listener, site) in ports.sites(probes, Scrapes::new(metrics.into_encoder()), access) {
        servers.spawn(http::serve(listener, site, is_true(&served)));
    }
    let [metrics_listen, signing_listen] =
        [metrics_listen, signing_listen].map(|address| address.map(tracing::field::display));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, metrics_listen, signing_listen, "started");
    if !uses_cluster_signers {
        tracing::info!(
            "running without ClusterSigners (--cluster-signers): PresignedUrls that name one wait"
        );
    }
    let ended = tokio::select! {
        ended = controller.run(stop) => ended,
        never = certificate => match never {},
        // Without the election this process would never lead again, but would look alive.
        Some(ended) = ended(&mut election) => {
            ended.context("leader election failed")?;
            return Err(ExitFailure::from(anyhow!("leader election ended unexpectedly")));
        }
    };
    // The lease is released only now, because the last reconciles need the leadership.
    drained.send_replace(true);
    if let Some(election) = election {
        election.await.context("leader election failed")?;
    }
    served.send_replace(true);
    while let Some(ended) = servers.join_next().await {
        ended.context("the server for probes and metrics failed")?;
    }
    ended.context("the controller failed")?;
    if let Some(error) = signing_failure.get() {
        return Err(ExitFailure::from(anyhow!("the signing service failed: {error}")));
    }
    tracing::info!("stopped");
    Ok(())
}

/// The result of the election when it ends; `None` when there is no election.
async fn ended(election: &mut Option<JoinHandle<()>>) -> Option<Result<(), JoinError>> {
    match election {
        Some(election) => Some(election.await),
        None => None,
    }
}

/// Keeps the certificate of the signing service, if the operator makes it.
async fn kept(certificate: Option<SigningCertificate>) -> Infallible {
    match certificate {
        Some(certificate) => certificate.run().await,
        None => std::future::pending().await,
    }
}

/// The parts of the operator that the flags and the kubeconfig define.
struct Parts {
    settings: Settings,
    clock: Clock,
    client: kube::Client,
    /// The client for requests that a standby makes too. Its writes change no stored object.
    unfenced: kube::Client,
    lease: LeaseSettings,
    leadership: Leadership,
    elector: Option<Elector>,
    limiter: Limiter,
    skew: Skew,
    sts: Sts,
    verifier: Option<StoreVerifier>,
}

fn assemble(
    args: &RunArgs,
    config: &kube::Config,
    metrics: &mut MetricsRegistry,
) -> Result<Parts, ExitFailure> {
    let (instance, clock) = (instance(), Clock::system());
    let identity = identity(&instance);
    let calls = ApiCalls::register(metrics.registry());
    let (skew, limiter) = (Skew::register(metrics.registry(), clock.clone()), Controller::limiter());
    let paused = limiter.clone();
    let overload = Overload::new(move |pause| paused.pause(pause));
    let make_client = |leadership: &Leadership, overload: &Overload| {
        let deadline = Duration::from_secs(args.request_timeout);
        let client_settings = ClientSettings {
            identity: identity.clone(),
            deadline,
            leadership: leadership.clone(),
            overload: overload.clone(),
            skew: skew.clone(),
        };
        client(config.clone(), calls.clone(), client_settings)
            .map_err(|error| ExitFailure::configuration(anyhow!("cannot use the kubeconfig: {error}")))
    };
    let unopposed = Leadership::unopposed();
    // Scrapes cause these requests, and too many of them must not pause reconciles.
    let unfenced = make_client(&unopposed, &Overload::default())?;
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
    let limits = args.limits.limits().map_err(ExitFailure::configuration)?;
    let limits = limits.with_sessions(args.sts.limits().map_err(ExitFailure::configuration)?);
    let settings = Settings {
        instance,
        namespaces,
        secret_access,
        max_in_flight,
        pods: args.pods,
        limits,
        connection_settings: args.signers.settings(),
        cluster_signers: args.signers.cluster_signers,
        namespace_selectors: args.signers.namespace_selectors,
    };
    let sts = args.sts.sts().map_err(ExitFailure::configuration)?;
    let verifier = args.verify.verifier(&args.sts).map_err(ExitFailure::configuration)?;
    Ok(Parts { settings, clock, client, unfenced, lease, leadership, elector, limiter, skew, sts, verifier })
}

/// Resolves when the value becomes true, or when the sender is dropped.
pub(super) fn is_true(sender: &watch::Sender<bool>) -> impl Future<Output = ()> + Send + 'static {
    let mut receiver = sender.subscribe();
    async move {
        let _ = receiver.wait_for(|is_true| *is_true).await;
    }
}

/// Resolves when the process gets SIGTERM or SIGINT.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, ExitFailure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: finishing the reconciles in progress");
    })
}

/// The name of the pod, as Kubernetes sets it, or a default.
#[expect(clippy::disallowed_methods, reason = "this is the command line")]
fn instance() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "presign-operator".to_owned())
}

/// A name that no other process has, not even the next one in the same pod. The keys of the hasher come
/// from the random numbers of the system.
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
