//! Every file that a person is invited to copy is accepted as it stands, in a namespace
//! that enforces the restricted Pod Security Standard. That their pods work is shown by
//! `make e2e`.

use std::path::Path;

use super::server::ContractServer;

const NAMESPACE: &str = "examples";
/// The namespace of the credentials in the example of a `ClusterSigner`.
const SIGNERS: &str = "presign-system";

#[test]
fn every_example_is_accepted_where_pods_are_restricted() {
    let server = ContractServer::get();
    server.kubectl(&["create", "namespace", SIGNERS]);
    server.kubectl(&["create", "namespace", NAMESPACE]);
    let levels = ["enforce", "warn"].map(|mode| format!("pod-security.kubernetes.io/{mode}=restricted"));
    server.kubectl(&["label", "namespace", NAMESPACE, &levels[0], &levels[1]]);
    // A pod is only accepted once its namespace has this account.
    let account = "serviceaccount/default";
    server.kubectl(&["-n", NAMESPACE, "wait", "--for=create", "--timeout=40s", account]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    let mut accepted = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // kubectl refuses another namespace than the one that an object names.
        let text = std::fs::read_to_string(&path).unwrap();
        let namespace = if text.contains(&format!("namespace: {SIGNERS}")) { SIGNERS } else { NAMESPACE };
        let mut kubectl = server.plane.kubectl();
        // Of a Job or CronJob, the standard only warns.
        kubectl.args(["-n", namespace, "--warnings-as-errors", "apply", "--dry-run=server", "-f"]).arg(&path);
        let output = kubectl.output().unwrap();
        assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
        accepted += 1;
    }
    assert!(accepted > 0, "there are no examples");
}
