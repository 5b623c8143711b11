//! What is refused: with which code, and with which words for the events of the pod.

use presign_operator::csi::csi_proto::NodePublishVolumeRequest;
use presign_operator::csi::csi_proto::node_client::NodeClient;
use presign_operator::csi::csi_proto::volume_capability::{AccessType, BlockVolume};
use testbed::curl;
use tonic::Code;

use crate::node::CsiNode;
use crate::stores::CONTENT;

#[tokio::test]
async fn arguments_that_are_none_are_refused_before_anything_is_done() {
    let node = CsiNode::new(&[]).await;
    let (channel, volume) = (node.channel().await, node.volume("wrong").await);
    let mut client = NodeClient::new(channel);
    let refused: [(&str, fn(&mut NodePublishVolumeRequest), Code); 12] = [
        ("volume_id", |request| request.volume_id.clear(), Code::InvalidArgument),
        ("volume_id", |request| request.volume_id = "x".repeat(257), Code::InvalidArgument),
        ("target_path", |request| request.target_path.clear(), Code::InvalidArgument),
        ("target_path", |request| request.target_path = "/etc".to_owned(), Code::InvalidArgument),
        ("target_path", |request| request.target_path.push_str("/.."), Code::InvalidArgument),
        ("volume_capability", |request| request.volume_capability = None, Code::InvalidArgument),
        (
            "must be mount",
            |request| {
                let capability = request.volume_capability.as_mut().unwrap();
                capability.access_type = Some(AccessType::Block(BlockVolume {}));
            },
            Code::InvalidArgument,
        ),
        (
            "volume_mount_group",
            |request| {
                if let Some(AccessType::Mount(mount)) =
                    &mut request.volume_capability.as_mut().unwrap().access_type
                {
                    mount.volume_mount_group = "wheel".to_owned();
                }
            },
            Code::InvalidArgument,
        ),
        ("readOnly: true", |request| request.readonly = false, Code::InvalidArgument),
        (
            "inline volumes",
            |request| drop(request.volume_context.remove("csi.storage.k8s.io/ephemeral")),
            Code::InvalidArgument,
        ),
        (
            "podInfoOnMount",
            |request| drop(request.volume_context.remove("csi.storage.k8s.io/pod.name")),
            Code::FailedPrecondition,
        ),
        (
            "serviceAccountTokenInSecrets",
            |request| {
                let tokens = "csi.storage.k8s.io/serviceAccount.tokens".to_owned();
                request.volume_context.insert(tokens, "{}".to_owned());
            },
            Code::FailedPrecondition,
        ),
    ];
    for (said, change, code) in refused {
        let mut request = volume.request();
        change(&mut request);
        let status = client.node_publish_volume(request).await.unwrap_err();
        assert!(status.code() == code && status.message().contains(said), "{said}: {status:?}");
    }
    node.expect_nothing_left(&volume);
}

#[tokio::test]
async fn a_pod_without_a_folder_is_gone_and_the_answer_says_so() {
    let node = CsiNode::new(&[]).await;
    let volume = node.volume("no-folder").await;
    let mut client = NodeClient::new(node.channel().await);
    let status = client.node_publish_volume(volume.request()).await.unwrap_err();
    assert!(status.code() == Code::Unavailable && status.message().contains("the pod is gone"), "{status:?}");
    node.expect_nothing_left(&volume);
}

#[tokio::test]
async fn a_volume_that_cannot_be_had_leaves_nothing_and_says_what_to_do() {
    let node = CsiNode::new(&["--allow-endpoints=127.0.0.1"]).await;
    let channel = node.channel().await;
    for (name, attributes, code, said) in [
        ("brief", [("expiresIn", "4m")], Code::InvalidArgument, "at least 5m"),
        ("dots", [("key", "a/../b")], Code::InvalidArgument, "volumeAttributes.key"),
        ("typo", [("keyy", "x")], Code::InvalidArgument, "volumeAttributes.keyy: is no attribute"),
        ("signer", [("signer", "media")], Code::InvalidArgument, "has no effect with signer"),
        ("host", [("endpoint", "https://a.example")], Code::PermissionDenied, "--allow-endpoints"),
    ] {
        let volume = node.volume(name).await.with(&attributes);
        let status = volume.publish(&channel).await.unwrap_err();
        assert!(status.code() == code && status.message().contains(said), "{name}: {status:?}");
        node.expect_nothing_left(&volume);
    }
    let volume = node.volume("no-key").await.with_key("", "");
    let status = volume.publish(&channel).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert!(status.message().contains("the Secret of nodePublishSecretRef"), "{status:?}");
    // The next attempt of the kubelet, after somebody corrected the Secret.
    let volume = node.volume("no-key").await;
    volume.publish(&channel).await.unwrap();
    assert_eq!(curl(&[&node.read(&volume, "url")]).unwrap(), CONTENT);
    let page = node.page("/metrics");
    let failed = "presign_csi_calls_total{call=\"NodePublishVolume\",result=\"Failed\"} 6";
    assert!(page.lines().any(|line| line == failed), "{page}");
}

#[tokio::test]
async fn where_inline_credentials_are_denied_volumes_need_a_signer() {
    let node = CsiNode::new(&["--inline-credentials=Deny"]).await;
    let volume = node.volume("denied").await;
    let status = volume.publish(&node.channel().await).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("set volumeAttributes.signer"), "{status:?}");
}

#[tokio::test]
async fn a_full_volume_keeps_the_old_files() {
    let node = CsiNode::new(&[]).await;
    let (channel, volume) = (node.channel().await, node.volume("full").await);
    volume.publish(&channel).await.unwrap();
    let first = node.read(&volume, "url");
    let fill = volume.target.join("fill").display().to_string();
    node.run(&["sh", "-c", &format!("! dd if=/dev/zero of={fill} bs=4096 status=none 2>&1")]);
    let rotated = volume.clone().with_key(crate::stores::SECOND_KEY.0, crate::stores::SECOND_KEY.1);
    rotated.publish(&channel).await.unwrap();
    crate::stores::wait_until("it says why", || node.log().contains("may be full")).await;
    assert_eq!(node.read(&volume, "url"), first);
    node.run(&["rm", &fill]);
    crate::stores::wait_until("the new URL is there", || node.read(&volume, "url") != first).await;
    volume.unpublish(&channel).await.unwrap();
    node.expect_nothing_left(&volume);
}
