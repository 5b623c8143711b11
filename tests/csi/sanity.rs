//! The checks of `csi-sanity` that apply to a driver without a controller: what it says about itself, and
//! arguments that it must refuse. All others of its checks make a volume by a controller first.

use std::process::Command;

use testbed::Binary;

use crate::node::CsiNode;

/// The checks, by parts of their names.
const CHECKS: &str = "Identity Service|NodeGetCapabilities|NodeGetInfo|NodePublishVolume should fail when no|NodeUnpublishVolume should fail when no";

#[tokio::test(flavor = "multi_thread")]
async fn csi_sanity_finds_nothing_wrong() {
    let node = CsiNode::new(&[]).await;
    let program = tokio::task::spawn_blocking(|| testbed::locate(Binary::CsiSanity)).await.unwrap().unwrap();
    let home = node.kubelet().join("pods/p/volumes/kubernetes.io~csi/report");
    std::fs::create_dir_all(&home).unwrap();
    let output = Command::new(program)
        .arg(format!("--csi.endpoint=unix://{}", node.socket().display()))
        .arg(format!("--csi.mountdir={}", home.join("mount").display()))
        .arg(format!("--csi.stagingdir={}", home.join("staging").display()))
        .arg(format!("--ginkgo.focus={CHECKS}"))
        .args(["--ginkgo.no-color", "--ginkgo.v"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let passed =
        said.lines().find_map(|line| line.split(" Passed").next()?.split("-- ").nth(1)?.parse().ok());
    assert_eq!(passed, Some(10_usize), "{said}");
}
