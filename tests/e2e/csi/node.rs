//! The driver and the mounts of the node, from outside of it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::installation::CSI_NAMESPACE;
use testbed::{curl_command, output, wait_until};

const DAEMON_SET: &str = "daemonset/presign-operator-csi";
/// How long the driver may take to be ready again. The kubelet waits longer after each crash.
const RETURN: Duration = Duration::from_secs(120);

/// What is mounted on the node for CSI volumes, with what is mounted out of them for `subPath`.
pub fn mounts(cluster: &Cluster) -> Vec<String> {
    let lines = std::fs::read_to_string(format!("/proc/{}/mounts", namespaces(cluster))).unwrap();
    let is_of_volume = |line: &&str| line.contains("kubernetes.io~csi") || line.contains("volume-subpaths");
    lines.lines().filter(is_of_volume).map(str::to_owned).collect()
}

/// How many mounts the node has. Pods have their own; those of the driver are in all.
pub fn count_mounts(cluster: &Cluster) -> usize {
    std::fs::read_to_string(format!("/proc/{}/mounts", namespaces(cluster))).unwrap().lines().count()
}

/// A process in the mount namespace of the kubelet, which itself may be away.
fn namespaces(cluster: &Cluster) -> u32 {
    let is_inside = |(name, _): &(&str, u32)| *name == "containerd";
    cluster.node.pids().into_iter().find(is_inside).expect("containerd runs").1
}

/// Runs a shell command on the node.
pub fn shell(cluster: &Cluster, command: &str) -> String {
    let mut nsenter = Command::new("nsenter");
    nsenter.arg(format!("--mount=/proc/{}/ns/mnt", namespaces(cluster))).args(["sh", "-c", command]);
    output(&mut nsenter).unwrap_or_else(|said| panic!("{command}: {said}"))
}

/// The processes of the driver: those whose environment names the folder of this node's kubelet.
pub fn drivers(cluster: &Cluster) -> Vec<u32> {
    let folder = format!("PRESIGN_KUBELET_DIR={}", cluster.node.kubelet_folder().display());
    let entries =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_driver = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == folder.as_bytes())
    };
    entries.filter_map(|name| name.parse().ok()).filter(is_driver).collect()
}

/// Kills the driver without any notice.
pub fn kill_driver(cluster: &Cluster) {
    for pid in drivers(cluster) {
        // One that has ended meanwhile is as good.
        let _was_there = testbed::signal(pid, "KILL").unwrap();
    }
}

/// Waits until the driver is ready.
pub fn await_driver(cluster: &Cluster) {
    let path = "--output=jsonpath={.status.numberReady}";
    wait_until("the driver is ready", RETURN, || {
        cluster.kubectl(&["--namespace", CSI_NAMESPACE, "get", DAEMON_SET, path]) == "1"
            && !drivers(cluster).is_empty()
    });
}

/// Kills the driver, and keeps it away.
pub fn take_driver_away(cluster: &Cluster) {
    select(cluster, r#"{"testbed/away": "true"}"#);
    kill_driver(cluster);
    wait_until("the driver is gone", RETURN, || drivers(cluster).is_empty());
}

/// Ends [`take_driver_away`].
pub fn bring_driver_back(cluster: &Cluster) {
    select(cluster, r#"{"testbed/away": null}"#);
    await_driver(cluster);
}

/// Replaces the pod of the driver, with no time to end.
pub fn replace_driver(cluster: &Cluster) {
    let namespace = ["--namespace", CSI_NAMESPACE];
    cluster.kubectl(&[&namespace[..], &["delete", "pod", "--all", "--force", "--grace-period=0"]].concat());
}

/// The metrics of the driver.
pub fn metrics(cluster: &Cluster) -> String {
    let path = "--output=jsonpath={.items[0].status.podIP}";
    let address = cluster.kubectl(&["--namespace", CSI_NAMESPACE, "get", "pods", path]);
    let mut curl = curl_command();
    curl.arg(format!("http://{address}:8080/metrics"));
    output(&mut curl).unwrap_or_else(|said| panic!("the metrics of the driver: {said}"))
}

/// Chooses the nodes of the driver.
fn select(cluster: &Cluster, labels: &str) {
    let patch = format!(r#"{{"spec": {{"template": {{"spec": {{"nodeSelector": {labels}}}}}}}}}"#);
    cluster.kubectl(&["--namespace", CSI_NAMESPACE, "patch", DAEMON_SET, "--patch", &patch]);
}

/// Replaces every pod of the driver, as an upgrade does.
pub fn roll(cluster: &Cluster) {
    cluster.kubectl(&["--namespace", CSI_NAMESPACE, "rollout", "restart", DAEMON_SET]);
    cluster.kubectl(&["--namespace", CSI_NAMESPACE, "rollout", "status", DAEMON_SET, "--timeout=120s"]);
}

/// How many files of etcd hold these bytes.
pub fn stored(cluster: &Cluster, needle: &str) -> usize {
    fn holds(path: &Path, needle: &[u8]) -> usize {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).unwrap();
            return entries.map(|entry| holds(&entry.unwrap().path(), needle)).sum();
        }
        // A file of the log may have gone since it was listed.
        let content = std::fs::read(path).unwrap_or_default();
        usize::from(content.windows(needle.len()).any(|part| part == needle))
    }
    holds(&cluster.plane.folder().join("etcd"), needle.as_bytes())
}
