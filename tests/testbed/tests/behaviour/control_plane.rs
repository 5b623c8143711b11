use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::LazyLock,
};

use testbed::{Binary, ControlPlane, output};

use crate::is_running;

static PLANE: LazyLock<ControlPlane> = LazyLock::new(|| ControlPlane::start().unwrap());

fn kubectl(arguments: &[&str]) -> Result<String, String> {
    output(PLANE.kubectl().args(arguments))
}

#[test]
fn is_ready_once_started() {
    assert_eq!(kubectl(&["get", "--raw", "/readyz"]).unwrap(), "ok");
    let namespaces = kubectl(&["get", "namespaces", "--output=name"]).unwrap();
    assert!(namespaces.contains("namespace/kube-system"), "{namespaces}");
    kubectl(&["get", "serviceaccount", "default"]).unwrap();
    let version = kubectl(&["version"]).unwrap();
    assert!(!version.contains("v0.0.0"), "{version}");
}

#[test]
fn keeps_its_data_and_identity_over_a_restart() {
    let plane = ControlPlane::start().unwrap();
    let ca = || fs::read(plane.folder().join("ca.crt")).unwrap();
    let before = (plane.url(), ca());
    let pid = plane.pid(Binary::KubeApiserver);
    output(plane.kubectl().args(["create", "configmap", "kept"])).unwrap();

    plane.restart_apiserver().unwrap();
    plane.restart_controller_manager().unwrap();

    output(plane.kubectl().args(["get", "configmap", "kept"])).unwrap();
    assert_eq!((plane.url(), ca()), before);
    assert_ne!(plane.pid(Binary::KubeApiserver), pid);
    plane.check().unwrap();
}

#[test]
fn leaves_nothing_behind_after_a_panic() {
    let mut pids = Vec::new();
    let mut folder = PathBuf::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let plane = ControlPlane::start().unwrap();
        pids = plane.pids().into_iter().map(|(_, pid)| pid).collect();
        plane.folder().clone_into(&mut folder);
        assert!(pids.iter().all(|pid| is_running(*pid)) && folder.is_dir());
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(pids.len(), 3);
    assert!(!pids.into_iter().any(is_running));
    assert!(!folder.exists());
}
