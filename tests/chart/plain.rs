//! `deploy/install.yaml`: the chart's defaults for `kubectl apply`.

use super::render::{objects, read};
use super::world::{kubectl, kubectl_with};

#[test]
fn a_plain_apply_installs_the_operator() {
    let manifest = read("deploy/install.yaml");
    kubectl_with(&["apply", "-f", "-"], &manifest).unwrap();
    let there = kubectl_with(&["get", "-o", "name", "-f", "-"], &manifest).unwrap();
    assert_eq!(there.lines().count(), objects(&manifest).len(), "{there}");

    let account = "system:serviceaccount:presign-system:presign-operator";
    let may = |verb: &str, what: &str, namespace: &str| {
        kubectl(&["auth", "can-i", verb, what, "--as", account, "-n", namespace])
            .is_ok_and(|answer| answer.trim() == "yes")
    };
    assert!(may("patch", "secrets", "default") && may("update", "leases/presign-operator", "presign-system"));
    assert!(!may("update", "leases/presign-operator", "default") && !may("get", "pods", "default"));
    kubectl(&["delete", "namespace", "presign-system", "--wait=false"]).unwrap();
}
