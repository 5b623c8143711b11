//! What `testbed build` makes of its surroundings.

use std::{fs, process::Command};

use tempfile::TempDir;

/// What `testbed build` says with an empty cache, where it must fail.
fn build(cache: &TempDir, adapt: impl FnOnce(&mut Command)) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command.arg("build").env_remove("KUBEBUILDER_ASSETS").env("PRESIGN_TESTBED_CACHE", cache.path());
    adapt(&mut command);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn prefers_programs_that_are_there_already_and_says_that_there_is_no_go() {
    let (cache, assets) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for name in ["etcd", "kube-apiserver", "kubectl", "kube-controller-manager"] {
        fs::write(assets.path().join(name), "").unwrap();
    }
    let said = build(&cache, |command| {
        command.env("KUBEBUILDER_ASSETS", assets.path()).env("PATH", cache.path());
    });
    assert!(said.contains("has no versitygw; the testbed's own is used"), "{said}");
    assert!(said.contains("versitygw has to be built, but no `go`"), "{said}");
}
