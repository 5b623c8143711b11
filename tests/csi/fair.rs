//! A slow STS: many URLs of one volume, and volumes of other namespaces.

use std::time::Duration;

use testbed::{StsFault, curl};

use crate::stores::{CONTENT, wait_until};
use crate::tokens::{place, volume};

/// More volumes than the driver gets sessions for at a time.
const STUCK: usize = 64;

/// One by one, the sessions of such a volume would take longer than the kubelet waits.
#[tokio::test]
async fn the_sessions_of_many_urls_are_requested_at_a_time_and_each_once() {
    let (node, front) = place().await;
    let channel = node.channel().await;
    let mut many = volume(&node, &front, "many").await.without(&["key"]);
    for number in 0..12 {
        many.attributes.insert(format!("u{number}.key"), format!("folder/{number}"));
    }
    front.fault(StsFault::Delay(Duration::from_secs(3)));
    many.publish(&channel).await.unwrap();
    assert_eq!(front.answers().len(), 12);
    many.unpublish(&channel).await.unwrap();
    node.expect_nothing_left(&many);
}

#[tokio::test]
async fn a_namespace_whose_sts_hangs_delays_no_other() {
    let (node, stuck) = place().await;
    let (channel, healthy) = (node.channel().await, crate::tokens::front().await);
    stuck.fault(StsFault::Hang);
    let mut volumes = Vec::new();
    for number in 0..STUCK {
        volumes.push(volume(&node, &stuck, &format!("stuck-{number}")).await);
    }
    // All at once, before the first gives up.
    for volume in volumes {
        let channel = channel.clone();
        tokio::spawn(async move { volume.publish(&channel).await });
    }
    let all_wait = format!("presign_csi_volumes{{state=\"Starting\"}} {STUCK}");
    wait_until("all wait, and the STS is asked", || node.shows(&all_wait) && stuck.count(None) >= 4).await;
    let other =
        volume(&node, &healthy, "other").await.with(&[("csi.storage.k8s.io/pod.namespace", "team-b")]);
    other.publish(&channel).await.unwrap();
    let asked = stuck.count(None);
    assert!(asked < STUCK, "{asked} of the others came first");
    assert_eq!(curl(&[&node.read(&other, "url")]).unwrap(), CONTENT);
}
