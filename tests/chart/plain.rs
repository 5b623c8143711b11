//! `deploy/install.yaml`: the chart's defaults for `kubectl apply`.

use std::time::{Duration, Instant};

use super::render::{objects, read};
use super::world::{self, WAIT, kubectl, kubectl_with};

#[test]
fn a_plain_apply_installs_the_operator() {
    let manifest = read("deploy/install.yaml");
    kubectl_with(&["apply", "-f", "-"], &manifest).unwrap();
    let there = kubectl_with(&["get", "-o", "name", "-f", "-"], &manifest).unwrap();
    assert_eq!(there.lines().count(), objects(&manifest).len(), "{there}");

    let account = "system:serviceaccount:presign-system:presign-operator";
    let may = |verb: &str, what: &str, namespace: &str| world::may(account, namespace, &[verb, what]);
    // Roles are taken in by the API server a moment after they were written.
    let begun = Instant::now();
    let may_work = || {
        may("patch", "secrets", "default") == Ok(true)
            && may("update", "leases/presign-operator", "presign-system") == Ok(true)
            && may("watch", "signers", "default") == Ok(true)
            && may("watch", "clustersigners", "default") == Ok(true)
    };
    while !may_work() {
        assert!(begun.elapsed() < WAIT, "its rights are missing");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(may("update", "leases/presign-operator", "default"), Ok(false));
    assert_eq!(may("get", "pods", "default"), Ok(false));
    assert_eq!(may("list", "namespaces", "default"), Ok(false));
    kubectl(&["delete", "namespace", "presign-system", "--wait=false"]).unwrap();
}
