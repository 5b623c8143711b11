//! Bad surroundings get one clear sentence.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

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

/// A folder with a `go` that says it is of this version, and fails to build.
fn fake_go(folder: &Path, version: &str, complaint: &str) -> String {
    let go = folder.join("go");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = env ]; then echo {version}; else echo '{complaint}' >&2; exit 1; fi\n"
    );
    fs::write(&go, script).unwrap();
    fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[test]
fn says_that_there_is_no_go() {
    let (cache, empty) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let said = build(&cache, |command| {
        command.env("PATH", empty.path());
    });
    assert!(said.contains("etcd has to be built, but no `go` is on the PATH: install Go 1."), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn says_that_go_is_too_old() {
    let (cache, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = fake_go(folder.path(), "go1.19.8", "");
    let said = build(&cache, |command| {
        command.env("PATH", path);
    });
    assert!(said.contains("Go 1.19.8 is too old to build etcd"), "{said}");
}

#[test]
fn says_that_the_disk_is_full() {
    let (cache, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = fake_go(folder.path(), "go1.99.0", "write a.out: no space left on device");
    let said = build(&cache, |command| {
        command.env("PATH", path);
    });
    assert!(said.contains("no space left on the disk while building etcd"), "{said}");
}

#[test]
fn says_that_a_download_was_refused() {
    let (cache, modules) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let said = build(&cache, |command| {
        command
            .env("GOMODCACHE", modules.path())
            // The discard port: nobody listens there.
            .env("GOPROXY", "http://127.0.0.1:9")
            .env("GOTOOLCHAIN", "local");
    });
    assert!(said.contains("the Go module proxy could not be reached while building etcd"), "{said}");
    assert!(said.contains("connection refused"), "{said}");
}

#[test]
fn prefers_programs_that_are_there_already() {
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
