//! `deploy/install.yaml`: the chart's defaults for `kubectl apply`.

use super::render::{objects, read};
use super::world::{self, kubectl, kubectl_with};

#[test]
fn a_plain_apply_installs_the_operator() {
    let manifest = read("deploy/install.yaml");
    kubectl_with(&["apply", "-f", "-"], &manifest).unwrap();
    let there = kubectl_with(&["get", "-o", "name", "-f", "-"], &manifest).unwrap();
    assert_eq!(there.lines().count(), objects(&manifest).len(), "{there}");

    let account = "system:serviceaccount:presign-system:presign-operator";
    let may = |verb: &str, what: &str, namespace: &str| world::may(account, namespace, &[verb, what]);
    let may_work = || {
        may("patch", "secrets", "default") == Ok(true)
            && may("update", "leases/presign-operator", "presign-system") == Ok(true)
            && may("watch", "signers", "default") == Ok(true)
            && may("watch", "clustersigners", "default") == Ok(true)
    };
    world::wait_until("its rights are there", may_work);
    assert_eq!(may("update", "leases/presign-operator", "default"), Ok(false));
    assert_eq!(may("get", "pods", "default"), Ok(false));
    assert_eq!(may("list", "namespaces", "default"), Ok(false));
    kubectl(&["delete", "namespace", "presign-system", "--wait=false"]).unwrap();
}
