//! What the driver has lost, or cannot use, never takes a URL from a pod.

use testbed::curl;
use tonic::Code;

use crate::node::CsiNode;
use crate::stores::{CONTENT, wait_until};

#[tokio::test]
async fn a_lost_record_unmounts_nothing_under_a_running_pod() {
    let mut node = CsiNode::new(&[]).await;
    let volume = node.volume("unkept").await;
    volume.publish(&node.channel().await).await.unwrap();
    let first = node.read(&volume, "url");
    node.kill();
    std::fs::remove_file(&node.kept()[0]).unwrap();
    node.start().await;

    // The URL lives, so what the kubelet brings is no error, and nothing is unmounted.
    let spoilt = volume.clone().with_key("", "");
    spoilt.publish(&node.channel().await).await.unwrap();
    assert_eq!((node.read(&volume, "url"), node.mounts().len()), (first.clone(), 1));
    assert_eq!(curl(&[&node.read(&volume, "url")]).unwrap(), CONTENT);

    // The next second gives another URL.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    volume.publish(&node.channel().await).await.unwrap();
    wait_until("it is signed at once", || node.read(&volume, "url") != first).await;
    assert_eq!((node.kept().len(), node.mounts().len()), (1, 1));
    volume.unpublish(&node.channel().await).await.unwrap();
    node.expect_nothing_left(&volume);
}

#[tokio::test]
async fn a_republish_that_cannot_be_used_is_no_error_while_the_url_lives() {
    let node = CsiNode::new(&[]).await;
    let (channel, volume) = (node.channel().await, node.volume("tokens").await);
    volume.publish(&channel).await.unwrap();
    // The CSIDriver object was changed, and the API server is an old one.
    let among_attributes = volume.clone().with(&[("csi.storage.k8s.io/serviceAccount.tokens", "{}")]);
    among_attributes.publish(&channel).await.unwrap();
    volume.clone().without(&["csi.storage.k8s.io/pod.uid"]).publish(&channel).await.unwrap();
    assert_eq!(curl(&[&node.read(&volume, "url")]).unwrap(), CONTENT);
    assert!(node.page("/metrics").contains("presign_csi_kept_total 2\n"), "{}", node.page("/metrics"));
    volume.unpublish(&channel).await.unwrap();
    node.expect_nothing_left(&volume);
}

#[tokio::test]
async fn a_volume_that_is_too_large_is_refused_and_says_so_in_the_log_and_the_metrics() {
    let node = CsiNode::new(&[]).await;
    let channel = node.channel().await;
    let mut heavy = node.volume("heavy").await;
    heavy.secrets.insert("other".to_owned(), "x".repeat(33 << 10));
    let status = heavy.publish(&channel).await.unwrap_err();
    assert!(status.code() == Code::FailedPrecondition && status.message().contains("32 KiB"), "{status:?}");
    let long = node.volume("long").await.with(&[("query.x-note", &"x".repeat(33 << 10))]);
    let status = long.publish(&channel).await.unwrap_err();
    assert!(status.code() == Code::InvalidArgument && status.message().contains("32 KiB"), "{status:?}");
    // What holds for all URLs counts for each.
    let mut many = node.volume("many").await;
    for letter in 'a'..='l' {
        many.attributes.insert(format!("query.x-{letter}"), "x".repeat(900));
    }
    for number in 0..32 {
        many.attributes.insert(format!("u{number}.key"), "a".to_owned());
    }
    let status = many.publish(&channel).await.unwrap_err();
    assert!(status.message().contains("256 KiB"), "{status:?}");
    assert!(node.log().contains("team-a") && node.log().contains("more than 32 KiB"), "{}", node.log());
    assert!(node.page("/metrics").contains("presign_csi_failures_total{reason=\"CredentialsInvalid\"} 1\n"));
    for volume in [&heavy, &long, &many] {
        node.expect_nothing_left(volume);
    }
}
