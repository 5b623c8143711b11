//! What `testbed build` makes of its surroundings.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

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
fn a_build_that_fails_tells_what_it_needs_and_what_go_said() {
    let (cache, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let go = folder.path().join("go");
    fs::write(&go, "#!/bin/sh\necho 'dial tcp 127.0.0.1:9: connection refused' >&2\nexit 1\n").unwrap();
    fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let said = build(&cache, |command| {
        command.env("PATH", path);
    });
    assert!(said.contains("etcd could not be built. That needs Go 1."), "{said}");
    assert!(said.contains("connection refused"), "{said}");
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
