//! What the kubelet asks before it publishes anything.

use presign_operator::csi::csi_proto::identity_client::IdentityClient;
use presign_operator::csi::csi_proto::node_client::NodeClient;
use presign_operator::csi::csi_proto::{
    GetPluginCapabilitiesRequest, GetPluginInfoRequest, NodeGetCapabilitiesRequest, NodeGetInfoRequest,
    NodeStageVolumeRequest, ProbeRequest,
};
use presign_operator::csi::registration_proto::registration_client::RegistrationClient;
use presign_operator::csi::registration_proto::{InfoRequest, RegistrationStatus};
use tonic::Code;

use crate::node::CsiNode;

#[tokio::test]
async fn the_kubelet_registers_it_and_then_it_is_ready() {
    let node = CsiNode::new(&[]).await;
    let channel = node.channel().await;
    assert!(node.page("/readyz").contains("the kubelet has not registered the driver"));
    assert_eq!(node.page("/livez"), "ok\n");
    let mut registration = RegistrationClient::new(channel.clone());
    let info = registration.get_info(InfoRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (info.r#type.as_str(), info.name.as_str(), info.endpoint.as_str()),
        ("CSIPlugin", "url.presign.dev", "")
    );
    assert_eq!(info.supported_versions, ["1.13.0"]);
    let registered = RegistrationStatus { plugin_registered: true, error: String::new() };
    registration.notify_registration_status(registered).await.unwrap();
    assert_eq!(node.page("/readyz"), "ok\n");
    let refused = RegistrationStatus { plugin_registered: false, error: "no".to_owned() };
    registration.notify_registration_status(refused).await.unwrap();
    assert!(node.page("/readyz").contains("registered"));

    let mut identity = IdentityClient::new(channel.clone());
    let info = identity.get_plugin_info(GetPluginInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.name, "url.presign.dev");
    let all = identity.get_plugin_capabilities(GetPluginCapabilitiesRequest {}).await.unwrap().into_inner();
    assert!(all.capabilities.is_empty());
    assert_eq!(identity.probe(ProbeRequest {}).await.unwrap().into_inner().ready, Some(true));

    let mut client = NodeClient::new(channel);
    let info = client.node_get_info(NodeGetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.node_id, "node-1");
    let all = client.node_get_capabilities(NodeGetCapabilitiesRequest {}).await.unwrap().into_inner();
    assert_eq!(all.capabilities.len(), 1);
    let status = client.node_stage_volume(NodeStageVolumeRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}
