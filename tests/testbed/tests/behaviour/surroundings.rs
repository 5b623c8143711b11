//! What `testbed build` makes of its surroundings.

use std::{fs, process::Command};

use tempfile::TempDir;

#[test]
fn prefers_programs_that_are_there_already_and_says_that_there_is_no_go() {
    let (cache, assets) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for name in ["etcd", "kube-apiserver", "kubectl", "kube-controller-manager"] {
        fs::write(assets.path().join(name), "").unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command.arg("build").env("KUBEBUILDER_ASSETS", assets.path());
    let output =
        command.env("PRESIGN_TESTBED_CACHE", cache.path()).env("PATH", cache.path()).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("has no versitygw; the testbed's own is used"), "{said}");
    assert!(said.contains("versitygw has to be built, but no `go`"), "{said}");
}
