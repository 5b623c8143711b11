//! The operator's image on the node, and its chart in the cluster.

use std::process::Command;

use crate::cluster::{Cluster, file};

const NAMESPACE: &str = "presign-system";
/// Where the `DaemonSet` of the CSI driver is, which must be privileged.
pub const CSI_NAMESPACE: &str = "presign-csi";

/// Where `make image` puts it, and for a short run `make e2e-short`.
fn image(is_short: bool) -> std::path::PathBuf {
    let folder = if is_short { "target/e2e" } else { "out" };
    let path = file(&format!("{folder}/presign-operator-{}.tar", env!("CARGO_PKG_VERSION")));
    assert!(path.is_file(), "there is no {}: run `make e2e` or `make e2e-short`", path.display());
    path
}

/// Installs the chart as its README says, in a namespace that enforces the restricted
/// standard, with the right to touch pods, and waits until the operator is ready.
pub fn install(cluster: &Cluster, is_short: bool, is_unprivileged: bool) {
    let archive = image(is_short);
    cluster.node.import(&archive).unwrap_or_else(|error| panic!("{error}"));
    cluster.create_namespace(NAMESPACE);
    cluster.kubectl(&["create", "namespace", CSI_NAMESPACE]);
    let (folder, is_privileged) = (cluster.node.kubelet_folder(), !is_unprivileged);
    let csi = [
        format!("csi.namespace={CSI_NAMESPACE}"),
        format!("csi.kubeletDir={}", folder.display()),
        format!("csi.privileged={is_privileged}"),
        "csi.audiences={sts.amazonaws.com}".to_owned(),
    ];
    // The store has an address that no store outside of a test has.
    let store = cluster.store.endpoint();
    let (_, place) = store.split_once("://").unwrap();
    let (address, _) = place.rsplit_once(':').unwrap();
    let verify = format!("verify.enabled=true,verify.allow={{{place}={address}/32}}");
    let helm = testbed::locate(testbed::Binary::Helm).unwrap_or_else(|error| panic!("{error}"));
    let mut install = Command::new(helm);
    install
        .args(["install", "presign-operator"])
        .arg(file("charts/presign-operator"))
        .args([
            "--namespace",
            NAMESPACE,
            "--set",
            "pods.enabled=true,csi.enabled=true,csi.signers.enabled=true",
            "--set",
            &csi.join(","),
            "--set",
            &verify,
        ])
        .args(["--wait", "--timeout=120s"])
        .env("KUBECONFIG", cluster.plane.kubeconfig())
        .envs([("NO_PROXY", "*"), ("no_proxy", "*")]);
    testbed::output(&mut install).unwrap_or_else(|said| panic!("helm install: {said}"));
}

/// Replaces every pod of the operator, as an upgrade does, and waits until that is done.
pub fn roll(cluster: &Cluster) {
    let deployment = "deployment/presign-operator";
    cluster.kubectl(&["--namespace", NAMESPACE, "rollout", "restart", deployment]);
    cluster.kubectl(&["--namespace", NAMESPACE, "rollout", "status", deployment, "--timeout=120s"]);
}

/// The addresses of the pods of the operator, without those that end.
pub fn pod_addresses(cluster: &Cluster) -> Vec<String> {
    let selector = "--selector=app.kubernetes.io/name=presign-operator";
    let pods = cluster.kubectl(&["--namespace", NAMESPACE, "get", "pods", selector, "--output=json"]);
    let pods: serde_json::Value = serde_json::from_str(&pods).unwrap();
    let stays = |pod: &&serde_json::Value| pod["metadata"]["deletionTimestamp"].is_null();
    let address = |pod: &serde_json::Value| pod["status"]["podIP"].as_str().map(str::to_owned);
    pods["items"].as_array().unwrap().iter().filter(stays).filter_map(address).collect()
}
