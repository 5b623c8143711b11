//! Publishes and unpublishes volumes.

use std::path::PathBuf;
use std::sync::Arc;

use tonic::{Code, Request, Response, Status};

use crate::csi::calls::{VolumeAnswer, VolumeCall, VolumeCalls};
use crate::csi::folder::VolumeFolders;
use crate::csi::metrics::{CountedCall, DriverMetrics};
use crate::csi::proto::csi::node_server::Node;
use crate::csi::proto::csi::node_service_capability::rpc::Type;
use crate::csi::proto::csi::node_service_capability::{self, Rpc};
use crate::csi::proto::csi::{
    NodeGetCapabilitiesRequest, NodeGetCapabilitiesResponse, NodeGetInfoRequest, NodeGetInfoResponse,
    NodePublishVolumeRequest, NodePublishVolumeResponse, NodeServiceCapability, NodeUnpublishVolumeRequest,
    NodeUnpublishVolumeResponse,
};
use crate::csi::publish::{PublishCall, published, unpublished};
use crate::domain::volume::{VolumeFailure, VolumeReason};

/// The service `csi.v1.Node`.
#[derive(Debug)]
pub(super) struct NodeService {
    pub(super) node_name: String,
    pub(super) calls: VolumeCalls,
    pub(super) folders: Arc<VolumeFolders>,
    pub(super) metrics: DriverMetrics,
}

#[tonic::async_trait]
impl Node for NodeService {
    async fn node_get_info(
        &self,
        _: Request<NodeGetInfoRequest>,
    ) -> Result<Response<NodeGetInfoResponse>, Status> {
        let node_id = self.node_name.clone();
        Ok(Response::new(NodeGetInfoResponse { node_id, ..NodeGetInfoResponse::default() }))
    }

    /// The group of a pod is given to the driver, so that no file is open to others for a moment.
    async fn node_get_capabilities(
        &self,
        _: Request<NodeGetCapabilitiesRequest>,
    ) -> Result<Response<NodeGetCapabilitiesResponse>, Status> {
        let rpc = node_service_capability::Type::Rpc(Rpc { r#type: Type::VolumeMountGroup.into() });
        let capabilities = vec![NodeServiceCapability { r#type: Some(rpc) }];
        Ok(Response::new(NodeGetCapabilitiesResponse { capabilities }))
    }

    async fn node_publish_volume(
        &self,
        request: Request<NodePublishVolumeRequest>,
    ) -> Result<Response<NodePublishVolumeResponse>, Status> {
        let answer = self.publish(request.into_inner()).await;
        self.metrics.called(CountedCall::Publish, answer.is_ok());
        answer.map(|()| Response::new(NodePublishVolumeResponse {}))
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<NodeUnpublishVolumeRequest>,
    ) -> Result<Response<NodeUnpublishVolumeResponse>, Status> {
        let answer = self.unpublish(request.into_inner()).await;
        self.metrics.called(CountedCall::Unpublish, answer.is_ok());
        answer.map(|()| Response::new(NodeUnpublishVolumeResponse {}))
    }
}

impl NodeService {
    async fn publish(&self, request: NodePublishVolumeRequest) -> Result<(), Status> {
        let PublishCall { id, target, pod, inputs } = published(request, &self.folders)?;
        let path = PathBuf::from(&target);
        let checked = tokio::task::spawn_blocking(move || VolumeFolders::is_in_place(&path)).await;
        let (inputs, is_in_place) = (inputs.map(Box::new), checked.unwrap_or(false));
        let call = |answer| VolumeCall::Publish { id, target, pod, inputs, is_in_place, answer };
        answered(self.calls.make(call).await)
    }

    async fn unpublish(&self, request: NodeUnpublishVolumeRequest) -> Result<(), Status> {
        let (id, target) = unpublished(request, &self.folders)?;
        answered(self.calls.make(|answer| VolumeCall::Unpublish { id, target, answer }).await)
    }
}

fn answered(answer: VolumeAnswer) -> Result<(), Status> {
    answer.map_err(|failure| Status::new(code(&failure), failure.message))
}

/// The code by which the kubelet tells whether something may have been mounted.
fn code(failure: &VolumeFailure) -> Code {
    match failure.reason {
        _ if failure.is_temporary => Code::Unavailable,
        VolumeReason::InvalidAttributes => Code::InvalidArgument,
        VolumeReason::NotPermitted | VolumeReason::CredentialsDenied => Code::PermissionDenied,
        VolumeReason::InternalError => Code::Internal,
        _ => Code::FailedPrecondition,
    }
}
