//! A pod whose URL the operator signs. The driver reaches the operator by the name of its Service, which nothing
//! on the node resolves: the testbed has neither DNS nor kube-proxy. So the pods of the driver get that name in
//! their hosts file.

use serde_json::json;

use super::pod::{NAMESPACE, kubectl};
use super::{await_event, create_refused};
use crate::cluster::{Cluster, file};
use crate::installation::{self, CSI_NAMESPACE};

const SERVICE: &str = "presign-operator-signing.presign-system.svc";
/// The `Deployment` in `signed.yaml`.
pub const SIGNED: &str = "signed";

/// Tells the driver where the operator is now, which replaces the pods of the driver.
pub fn route(cluster: &Cluster) {
    let addresses = installation::pod_addresses(cluster);
    let aliases: Vec<_> =
        addresses.iter().map(|address| json!({"ip": address, "hostnames": [SERVICE]})).collect();
    let patch = json!({"spec": {"template": {"spec": {"hostAliases": aliases}}}}).to_string();
    let daemon_set = "daemonset/presign-operator-csi";
    cluster.kubectl(&["--namespace", CSI_NAMESPACE, "patch", daemon_set, "--type=merge", "--patch", &patch]);
    cluster.kubectl(&["--namespace", CSI_NAMESPACE, "rollout", "status", daemon_set, "--timeout=120s"]);
}

/// Makes the signer, and starts the pod. A pod that may not use the signer says why it does not start.
pub fn start(cluster: &Cluster) {
    let read = |name: &str| std::fs::read_to_string(file("tests/e2e/csi").join(name)).unwrap();
    cluster.apply("presign-system", &read("signer.yaml"));
    cluster.apply(NAMESPACE, &read("signed.yaml"));
    let deployment = format!("deployment/{SIGNED}");
    kubectl(cluster, &["wait", "--for=condition=Available", "--timeout=120s", &deployment]);
    // Its ServiceAccount is the default one.
    create_refused(cluster, "stranger", "", r#""signer": "csi", "signerKind": "ClusterSigner""#);
    await_event(cluster, "stranger", "use");
    kubectl(cluster, &["delete", "pod", "stranger", "--wait", "--timeout=60s"]);
}
