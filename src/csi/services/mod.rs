//! The gRPC services that the kubelet calls, all on one socket.

mod identity;
mod node;
mod registration;

use std::future::Future;
use std::io;
use std::sync::Arc;

use futures::Stream;
use tokio::net::UnixStream;
use tonic::transport::Server;

use self::identity::IdentityService;
use self::node::NodeService;
use self::registration::RegistrationService;
use super::NodeFailure;
use super::calls::VolumeCalls;
use super::folder::VolumeFolders;
use super::metrics::DriverMetrics;
use super::proto::csi::identity_server::IdentityServer;
use super::proto::csi::node_server::NodeServer;
use super::proto::registration::registration_server::RegistrationServer;
use crate::runtime::Check;

/// How many calls of one connection are served at a time.
const MAX_CALLS: usize = 256;
/// The longest message, in bytes. A Secret has at most 1 MiB.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Services {
    identity: IdentityService,
    node: NodeService,
    registration: RegistrationService,
}

impl Services {
    pub(super) fn new(
        node_name: String,
        calls: VolumeCalls,
        folders: Arc<VolumeFolders>,
        metrics: DriverMetrics,
        registered: Check,
    ) -> Self {
        Self {
            identity: IdentityService,
            node: NodeService { node_name, calls, folders, metrics },
            registration: RegistrationService { registered },
        }
    }

    /// Serves until `stop` resolves and the calls in flight have ended.
    pub(super) async fn serve(
        self,
        incoming: impl Stream<Item = io::Result<UnixStream>> + Send + 'static,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), NodeFailure> {
        let Self { identity, node, registration } = self;
        let server = Server::builder()
            .concurrency_limit_per_connection(MAX_CALLS)
            .add_service(IdentityServer::new(identity))
            .add_service(NodeServer::new(node).max_decoding_message_size(MAX_MESSAGE))
            .add_service(RegistrationServer::new(registration));
        Ok(server.serve_with_incoming_shutdown(incoming, stop).await?)
    }
}
