//! The driver is killed at any time, and started again.

use std::time::{Duration, Instant};
use testbed::curl;

use crate::node::CsiNode;
use crate::stores::{CONTENT, SECOND_KEY, next_second, wait_until};

/// Changes the times that the driver keeps of its volumes, which is what an hour without it does.
pub fn age(node: &CsiNode, field: &str) {
    let files = node.kept();
    assert!(!files.is_empty(), "it keeps nothing");
    for file in files {
        let mut record: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        record[field] = record["signing_time"].clone();
        std::fs::write(&file, record.to_string()).unwrap();
    }
}

#[tokio::test]
async fn a_restart_signs_nothing_that_is_not_due_and_what_is_due_at_once() {
    let mut node = CsiNode::new(&[]).await;
    let volume = node.volume("restart").await;
    volume.publish(&node.channel().await).await.unwrap();
    let first = node.read(&volume, "url");

    node.kill();
    assert_eq!(curl(&[&node.read(&volume, "url")]).unwrap(), CONTENT, "the files stay");
    next_second().await;
    node.start().await;
    volume.publish(&node.channel().await).await.unwrap();
    node.pass(&node.volume("control").await).await;
    assert_eq!((node.read(&volume, "url"), node.issued()), (first.clone(), 1), "only the other is signed");

    // Stopped as in an upgrade; the next process finds that the renewal was due.
    node.stop();
    age(&node, "renewal_time");
    next_second().await;
    node.start().await;
    wait_until("a restart renews at once", || node.read(&volume, "url") != first).await;
    assert_eq!(curl(&[&node.read(&volume, "url")]).unwrap(), CONTENT);
    assert_eq!(node.mounts().len(), 1);

    volume.unpublish(&node.channel().await).await.unwrap();
    node.expect_nothing_left(&volume);
}

#[tokio::test]
async fn a_volume_that_was_not_unpublished_in_time_is_unpublished_later() {
    let mut node = CsiNode::new(&[]).await;
    let volume = node.volume("later").await;
    volume.publish(&node.channel().await).await.unwrap();
    node.kill();
    // What it kept is gone, as after a reboot of the node in which the mount stayed.
    std::fs::remove_file(&node.kept()[0]).unwrap();
    node.start().await;
    assert_eq!(node.mounts().len(), 1);
    volume.unpublish(&node.channel().await).await.unwrap();
    node.expect_nothing_left(&volume);
}

#[tokio::test]
async fn what_is_kept_of_a_pod_that_is_gone_is_dropped() {
    let mut node = CsiNode::new(&["--unprivileged"]).await;
    let volume = node.volume("vanished").await;
    volume.publish(&node.channel().await).await.unwrap();
    node.kill();
    std::fs::remove_dir_all(node.kubelet().join("pods")).unwrap();
    node.start().await;
    assert_eq!(node.kept(), Vec::<std::path::PathBuf>::new());
    assert!(node.page("/metrics").contains("presign_csi_volumes{state=\"Serving\"} 0\n"));
}

/// The memory for what is kept is full when the key is rotated: nobody signs with the old one again, although
/// that is what was kept.
#[tokio::test]
async fn where_nothing_can_be_kept_a_restart_waits_for_the_kubelet() {
    let mut node = CsiNode::new(&[]).await;
    let state = node.state().display().to_string();
    node.stop();
    node.run(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", &state]);
    node.start().await;
    let (channel, volume) = (node.channel().await, node.volume("full-state").await);
    let control = node.volume("control").await;
    for volume in [&volume, &control] {
        volume.publish(&channel).await.unwrap();
    }
    let old = node.read(&control, "url");
    node.run(&["sh", "-c", &format!("! dd if=/dev/zero of={state}/fill bs=4096 2> /dev/null")]);
    next_second().await;
    let rotated = volume.clone().with_key(SECOND_KEY.0, SECOND_KEY.1);
    rotated.publish(&channel).await.unwrap();
    let has_new_key = || node.read(&volume, "url").contains(SECOND_KEY.0);
    wait_until("the new key signs", has_new_key).await;
    assert!(node.log().contains("cannot keep"), "{}", node.log());
    node.kill();
    node.run(&["rm", &format!("{state}/fill")]);
    // Whatever was kept is due now.
    age(&node, "renewal_time");
    node.start().await;
    wait_until("a restart renews what was kept", || node.read(&control, "url") != old).await;
    node.pass(&node.volume("later").await).await;
    assert!(node.read(&volume, "url").contains(SECOND_KEY.0), "the old key signs again");
    let channel = node.channel().await;
    control.unpublish(&channel).await.unwrap();
    rotated.publish(&channel).await.unwrap();
    assert_eq!(curl(&[&node.read(&volume, "url")]).unwrap(), CONTENT);
    rotated.unpublish(&channel).await.unwrap();
    node.expect_nothing_left(&volume);
}

#[tokio::test]
async fn a_second_driver_does_not_start() {
    let node = CsiNode::new(&[]).await;
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_presign-operator"))
        .args(["node", "--node-name=n", "--listen=127.0.0.1:0"])
        .arg(format!("--socket={}", node.kubelet().join("other@socket").display()))
        .arg(format!("--kubelet-dir={}", node.kubelet().display()))
        .arg(format!("--state-dir={}", node.state().display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another driver runs"), "{said}");
}

/// Killed while it publishes, publishes again with another key, or unpublishes: after a restart the kubelet's
/// next call brings everything into order, and nothing is left in the end.
#[tokio::test]
async fn killed_at_any_moment_nothing_is_lost_and_nothing_is_left() {
    let mut node = CsiNode::new(&[]).await;
    let volume = node.volume("killed").await;
    let rotated = volume.clone().with_key(SECOND_KEY.0, SECOND_KEY.1);
    // The shortest time that each kind of call has taken, and how often one was interrupted.
    let (mut whole, mut interrupted) = ([Duration::MAX; 3], [0; 3]);
    for round in 0..24 {
        let kind = round % 3;
        let channel = node.channel().await;
        if kind > 0 {
            volume.publish(&channel).await.unwrap();
        }
        let call = async {
            match kind {
                0 => volume.publish(&channel).await,
                1 => rotated.publish(&channel).await,
                _ => volume.unpublish(&channel).await,
            }
        };
        // The first of each kind is not interrupted.
        let eighths = u32::try_from(round / 3).unwrap();
        let wait = if eighths == 0 { Duration::MAX } else { whole[kind] / 8 * eighths };
        let begun = Instant::now();
        tokio::select! {
            biased;
            outcome = call => {
                outcome.unwrap();
                whole[kind] = whole[kind].min(begun.elapsed());
            }
            () = pass(wait) => interrupted[kind] += 1,
        }
        node.kill();
        node.start().await;
        let channel = node.channel().await;
        if round % 2 == 0 {
            volume.publish(&channel).await.unwrap();
            assert_eq!(curl(&[&node.read(&volume, "url")]).unwrap(), CONTENT, "round {round}");
            assert_eq!(node.mounts().len(), 1, "round {round}");
        }
        volume.unpublish(&channel).await.unwrap();
        node.expect_nothing_left(&volume);
    }
    assert!(interrupted.iter().all(|count| *count > 0), "{interrupted:?} calls were interrupted");
}

/// Waits more exactly than a timer does.
async fn pass(wait: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < wait {
        tokio::task::yield_now().await;
    }
}
