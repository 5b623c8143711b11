//! The node side: a CSI driver that signs URLs for pods and keeps them fresh in their volumes.
//!
//! Here: the gRPC services that the kubelet calls, the loop that owns the volumes, the calls to an STS and
//! to the signing service of the operator, and the files and mounts. Not here: what a volume asks for and what is due, which `domain::volume` decides.
//! The driver makes no requests to the API server.

mod calls;
mod driver;
mod entry;
mod folder;
mod jobs;
mod metrics;
mod notes;
mod permits;
mod proto;
mod publish;
mod records;
mod services;
mod sessions;
mod signing;
mod signing_client;
mod socket;
mod switch;
mod takeover;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};

use self::calls::VolumeCalls;
use self::driver::Driver;
use self::folder::VolumeFolders;
use self::metrics::DriverMetrics;
use self::records::VolumeRecords;
use self::services::Services;
use self::signing::Signing;
use self::signing_client::SigningClient;
use crate::domain::volume::VolumeSettings;
use crate::runtime::{Clock, Probes};
use crate::sts::Sts;

pub use self::proto::{csi as csi_proto, registration as registration_proto};
pub use self::signing_client::SigningServiceSettings;

/// How long the calls in flight may take after the process was told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How the driver runs.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// Name of the node.
    pub node_name: String,
    /// The socket that the kubelet connects to.
    pub socket: PathBuf,
    /// The folder of the kubelet.
    pub kubelet_dir: PathBuf,
    /// The folder for what a restart needs.
    pub state_dir: PathBuf,
    /// Whether each volume is a file system in memory, which needs privileges, and not a folder of the node.
    pub is_privileged: bool,
    /// What volumes may ask for.
    pub volumes: VolumeSettings,
    /// Where the signing service of the operator is; `None` if volumes may not have a signer.
    pub signing_service: Option<SigningServiceSettings>,
}

/// What the process provides to the driver.
#[derive(Debug)]
pub struct NodeProcess<'a> {
    /// The wall clock.
    pub clock: Clock,
    /// The registry for the metrics of the driver.
    pub registry: &'a mut Registry,
    /// The probes that the driver updates.
    pub probes: Probes,
    /// Calls the STS.
    pub sts: Sts,
}

/// Why the driver cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeFailure {
    /// The folder for what a restart needs cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another driver uses the folder.
    #[error("another driver runs with {}: stop it, or choose another folder (--state-dir)", path.display())]
    Twice {
        /// The folder.
        path: PathBuf,
    },
    /// The socket cannot be opened.
    #[error("cannot listen on {}: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The gRPC server failed.
    #[error("the gRPC server failed: {0}")]
    Server(#[from] tonic::transport::Error),
    /// The loop that owns the volumes ended.
    #[error("the loop of the volumes ended, which is a bug")]
    LoopEnded,
}

/// The driver, assembled and not yet running.
#[derive(Debug)]
pub struct NodeDriver {
    driver: Driver,
    received: mpsc::Receiver<calls::VolumeCall>,
    services: Services,
    socket: PathBuf,
}

impl NodeDriver {
    /// Assembles the driver, and takes over the volumes that were published before a restart.
    ///
    /// # Errors
    /// When a folder cannot be used.
    pub fn new(settings: NodeSettings, process: NodeProcess<'_>) -> Result<Self, NodeFailure> {
        let NodeSettings {
            node_name,
            socket,
            kubelet_dir,
            state_dir,
            is_privileged,
            volumes,
            signing_service,
        } = settings;
        let NodeProcess { clock, registry, probes, sts } = process;
        let folders = Arc::new(VolumeFolders::new(kubelet_dir, is_privileged));
        let records = VolumeRecords::open(&state_dir)?;
        let metrics = DriverMetrics::register(registry);
        let registered = probes.check("the kubelet has not registered the driver");
        let signing = Arc::new(Signing::new(clock.clone(), sts, signing_service.map(SigningClient::new)));
        let mut driver = Driver::new(driver::DriverParts {
            volumes,
            clock,
            folders: folders.clone(),
            records,
            signing,
            metrics: metrics.clone(),
            probes,
        });
        driver.adopt();
        let (calls, received) = VolumeCalls::new();
        let services = Services::new(node_name, calls, folders, metrics, registered);
        Ok(Self { driver, received, services, socket })
    }

    /// Runs until `stop` resolves and the jobs in flight have ended (5 s at most). The volumes stay mounted.
    ///
    /// # Errors
    /// When the socket cannot be opened, or the server or the loop fails.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), NodeFailure> {
        let Self { driver, received, services, socket } = self;
        let (file, listener) = socket::open(&socket)?;
        tracing::info!(socket = %socket.display(), "listening for the kubelet");
        let (stop_loop, loop_stopped) = oneshot::channel();
        let mut volumes = tokio::spawn(driver.run(received, async move {
            let _ = loop_stopped.await;
        }));
        let (stop_server, server_stopped) = oneshot::channel::<()>();
        let mut server = tokio::spawn(services.serve(socket::incoming(listener), async move {
            let _ = server_stopped.await;
        }));
        tokio::select! {
            () = stop => {}
            _ = &mut volumes => return Err(NodeFailure::LoopEnded),
            ended = &mut server => {
                ended.map_err(|_| NodeFailure::LoopEnded)??;
                return Err(NodeFailure::LoopEnded);
            }
        }
        // The kubelet stops calling when the socket is gone, and calls again when the next driver opens it.
        drop(file);
        let _ = stop_server.send(());
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, &mut server).await;
        let _ = stop_loop.send(());
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, &mut volumes).await;
        Ok(())
    }
}
