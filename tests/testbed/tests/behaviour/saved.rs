//! A control plane that is put back to an earlier state under running clients.

use std::time::Instant;

use testbed::{ControlPlane, output};

#[test]
fn a_restored_control_plane_goes_on_from_what_was_saved() {
    // One of its own, since the others' clients would be put back too.
    let plane = ControlPlane::start().unwrap();
    let kubectl = |arguments: &[&str]| output(plane.kubectl().args(arguments));
    let version = |name: &str| {
        let version = kubectl(&["get", "configmap", name, "-o", "jsonpath={.metadata.resourceVersion}"]);
        version.unwrap().parse::<u64>().unwrap()
    };
    kubectl(&["create", "configmap", "kept"]).unwrap();
    kubectl(&["create", "configmap", "deleted-later"]).unwrap();
    let kept = version("kept");

    let begun = Instant::now();
    let saved = plane.save_etcd().unwrap();
    println!("saved in {:?}", begun.elapsed());
    kubectl(&["create", "configmap", "made-later"]).unwrap();
    kubectl(&["delete", "configmap", "deleted-later"]).unwrap();
    kubectl(&["label", "configmap", "kept", "edited=later"]).unwrap();
    assert!(version("kept") > kept);

    // Twice, since a copy must not change by being used.
    for round in ["first", "second"] {
        let begun = Instant::now();
        plane.restore_etcd(&saved).unwrap();
        println!("restored in {:?}", begun.elapsed());
        assert!(kubectl(&["get", "configmap", "made-later"]).unwrap_err().contains("NotFound"));
        kubectl(&["get", "configmap", "deleted-later"]).unwrap();
        assert_eq!(version("kept"), kept, "versions go back");
        kubectl(&["create", "configmap", round]).unwrap();
        plane.check().unwrap();
    }

    // A client that goes on from a version which is in the future by now is told nothing, and
    // gets no error either.
    let watch = |version: u64| {
        let path = "/api/v1/namespaces/default/configmaps?watch=true&timeoutSeconds=3";
        kubectl(&["get", "--raw", &format!("{path}&resourceVersion={version}")]).unwrap()
    };
    let second = version("second");
    kubectl(&["create", "configmap", "third"]).unwrap();
    let events = watch(second);
    assert!(events.contains(r#""name":"third""#), "{events}");
    assert_eq!(watch(second + 1_000_000), "");
}
