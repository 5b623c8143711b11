//! The command `node`: runs the CSI driver of one node.

use anyhow::{Context as _, anyhow};
use tokio::sync::watch;

use super::ExitFailure;
use super::node_args::NodeArgs;
use super::run::{is_true, log_filter, stop_signal};
use super::sites::bind;
use crate::csi::{NodeDriver, NodeFailure, NodeProcess};
use crate::runtime::{Clock, MetricsRegistry, Pages, Probes, Scrapes, Site, http, logging};

/// After this time without a beat of the loop, `/livez` fails.
const STALE_AFTER: std::time::Duration = std::time::Duration::from_secs(60);

/// Runs the driver until it gets SIGTERM or SIGINT.
pub(super) fn run(args: NodeArgs) -> Result<(), ExitFailure> {
    args.check().map_err(ExitFailure::configuration)?;
    logging::init(&log_filter(args.log.clone()), args.log_format).map_err(ExitFailure::configuration)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(ExitFailure::from)?;
    match runtime.block_on(runtime.spawn(serve(args))) {
        Ok(ended) => {
            // A write to a disk that never ends must not keep the process.
            runtime.shutdown_background();
            ended
        }
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

async fn serve(args: NodeArgs) -> Result<(), ExitFailure> {
    let stop = stop_signal()?;
    let listener = bind("--listen", args.listen).await?;
    let listen = listener.local_addr().context("cannot read the address that it listens on")?;
    let mut metrics = MetricsRegistry::new("presign", env!("CARGO_PKG_VERSION"));
    let (clock, probes) = (Clock::system(), Probes::new(STALE_AFTER));
    let sts = args.sts.sts().map_err(ExitFailure::configuration)?;
    let settings = args.settings().map_err(ExitFailure::configuration)?;
    let process = NodeProcess { clock, registry: metrics.registry(), probes: probes.clone(), sts };
    let driver = NodeDriver::new(settings, process).map_err(failed)?;
    let pages =
        Pages { probes: Some(probes), metrics: Some(Scrapes::new(metrics.into_encoder())), access: None };
    let served = watch::Sender::new(false);
    let server = tokio::spawn(http::serve(listener, Site { answers: pages, tls: None }, is_true(&served)));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, node = args.node_name, "started");
    let ended = driver.run(stop).await;
    served.send_replace(true);
    server.await.context("the server for probes and metrics failed")?;
    ended.map_err(failed)?;
    tracing::info!("stopped");
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn failed(failure: NodeFailure) -> ExitFailure {
    match failure {
        NodeFailure::State { .. } => ExitFailure::configuration(anyhow!("--state-dir: {failure}")),
        NodeFailure::Socket { .. } => ExitFailure::configuration(anyhow!("--socket: {failure}")),
        NodeFailure::Twice { .. } | NodeFailure::Server(_) | NodeFailure::LoopEnded => {
            ExitFailure::from(anyhow!("{failure}"))
        }
    }
}
