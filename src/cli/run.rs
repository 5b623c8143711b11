//! `run`: the flags of the operator, and how its parts are put together.
#![allow(clippy::doc_markdown, reason = "the comments on flags are printed by --help")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Failure;
use crate::controller::{Presigner, Settings};
use crate::ops::{ApiCalls, Clock, LogFormat, Metrics, Probes, client, http, telemetry};

/// After how long without a sign of life of the controller `/livez` fails.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// Flags of `run`. Each has a twin in the environment, `PRESIGN_...`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Address that serves /livez, /readyz and /metrics.
    #[arg(long, env = "PRESIGN_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// What to log: error, warn, info, debug or trace, or a filter such as
    /// info,presign_operator=debug. RUST_LOG is taken when this is not set; info when
    /// neither is.
    #[arg(long, env = "PRESIGN_LOG")]
    log: Option<String>,
    /// How to log.
    #[arg(long, env = "PRESIGN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Look after this namespace only; all namespaces when not set.
    #[arg(long, env = "PRESIGN_NAMESPACE")]
    namespace: Option<String>,
    /// How many calls to the API server may be under way at a time; the URL that expires
    /// soonest goes first.
    #[arg(long, env = "PRESIGN_MAX_IN_FLIGHT", default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_in_flight: u16,
    /// How long one call to the API server may take, in seconds.
    #[arg(long, env = "PRESIGN_REQUEST_TIMEOUT", default_value_t = 15,
        value_parser = clap::value_parser!(u64).range(1..=300))]
    request_timeout: u64,
    /// Looking at pods and touching their annotations is granted: needed for
    /// spec.propagation.pokePods and the reason NeverRefreshed. Needs get, list and patch on
    /// pods; without this flag no call about pods is made.
    #[arg(long, env = "PRESIGN_PODS")]
    pods: bool,
}

/// Runs the operator until it is told to stop.
pub(super) fn run(args: RunArgs) -> Result<(), Failure> {
    let filter = log_filter(args.log.clone());
    telemetry::init(&filter, args.log_format).map_err(Failure::configuration)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failure::from)?;
    runtime.block_on(operate(args))
}

#[expect(clippy::disallowed_methods, reason = "this is the command line")]
fn log_filter(flag: Option<String>) -> String {
    let given = |text: &String| !text.trim().is_empty();
    flag.filter(given)
        .or_else(|| std::env::var("RUST_LOG").ok().filter(given))
        .unwrap_or_else(|| "info".to_owned())
}

async fn operate(args: RunArgs) -> Result<(), Failure> {
    let RunArgs { listen, log: _, log_format: _, namespace, max_in_flight, request_timeout, pods } = args;
    let config = kube::Config::infer().await.map_err(|error| {
        Failure::configuration(anyhow::anyhow!(
            "no way to the API server: neither a kubeconfig nor a ServiceAccount can be used: {error}"
        ))
    })?;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| Failure::configuration(anyhow::anyhow!("--listen {listen}: {error}")))?;

    let mut metrics = Metrics::new("presign", env!("CARGO_PKG_VERSION"));
    let calls = ApiCalls::register(metrics.registry());
    let client = client(config, calls, Duration::from_secs(request_timeout))
        .map_err(|error| Failure::configuration(anyhow::anyhow!("cannot use the kubeconfig: {error}")))?;
    let probes = Probes::new(STALE_AFTER);
    let settings = Settings { instance: instance(), namespace, max_in_flight: max_in_flight.into(), pods };
    let presigner = Presigner::new(settings, client, Clock::system(), metrics.registry(), probes.clone());

    let (finish, finished) = watch::channel(false);
    let server = tokio::spawn(http::serve(listener, probes, metrics.into_encoder(), async move {
        let mut finished = finished;
        let _ = finished.wait_for(|finished| *finished).await;
    }));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, "started");
    presigner.run(told_to_stop()?).await;
    finish.send_replace(true);
    server.await.context("the server for probes and metrics failed")?;
    tracing::info!("stopped");
    Ok(())
}

/// Resolves at SIGTERM or SIGINT.
fn told_to_stop() -> Result<impl Future<Output = ()> + Send + Sync + 'static, Failure> {
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
