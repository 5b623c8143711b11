//! Signing asks nobody: shown twice, by what the SDK is built of and by what the kernel sees.
//!
//! The kernel kills whoever asks for a socket (a seccomp filter, which needs no privilege
//! and is inherited by threads and child processes alike). All of signing then runs under
//! it, an attempt to reach the network, even one whose failure nobody would notice,
//! included.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output, Stdio};
use std::thread;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use presign_operator::domain::policy::Requester;
use presign_operator::domain::{Credentials, Request};
use seccompiler::{SeccompAction, SeccompFilter, apply_filter};
use serde_json::{Value, json};

use crate::facts::sign;

/// What the kernel sends to whoever makes a forbidden call.
const SIGSYS: i32 = 31;

/// Runs something in a thread that dies, with its whole process, at the first socket.
fn without_network<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    let calls = [
        libc::SYS_socket,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_accept4,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_sendmmsg,
        libc::SYS_io_uring_setup,
    ];
    let rules = calls.map(|call| (call, vec![])).into();
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Trap, architecture).unwrap();
    let program: seccompiler::BpfProgram = filter.try_into().unwrap();
    thread::scope(|scope| {
        let filtered = scope.spawn(move || {
            apply_filter(&program).unwrap();
            run()
        });
        filtered.join().unwrap()
    })
}

/// Runs `presign-operator sign` on a manifest.
fn sign_by_command(manifest: &str, signed_at: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_presign-operator"));
    command.args(["sign", "-f", "-", "--signed-at", signed_at]).env_clear().envs([
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
    ]);
    testbed::feed(&mut command, manifest).unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn manifest(spec: &Value) -> String {
    let mut spec = spec.clone();
    spec["s3"]["credentials"]["secretRef"] = json!({"name": "unused"});
    let object = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": "row"}, "spec": spec,
    });
    object.to_string()
}

#[test]
fn the_alarm_rings() {
    let status = without_network(|| {
        Command::new("curl").args(["--silent", "http://127.0.0.1:9/"]).stderr(Stdio::null()).status().unwrap()
    });
    assert_eq!(status.signal(), Some(SIGSYS), "{status}");
}

#[test]
fn signing_asks_the_kernel_for_no_socket() {
    // One time and one process for all rows: neither has to do with sockets.
    let rows = include_str!("../vectors/sigv4.jsonl").lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        manifest(&row["spec"])
    });
    let rows: Vec<String> = rows.collect();
    let text = rows.join("\n---\n");
    let output = without_network(|| sign_by_command(&text, "2030-01-02T03:04:05Z"));
    assert!(output.status.success(), "{}: {}", output.status, complaint(&output));
    let urls = String::from_utf8(output.stdout).unwrap();
    assert_eq!(urls.lines().filter(|url| url.contains("X-Amz-Signature=")).count(), rows.len());
}

#[test]
fn a_directory_bucket_is_refused_before_and_asks_nobody_behind_the_door() {
    let spec = json!({"bucket": "reports--use1-az4--x-s3", "key": "a", "s3": {"region": "us-east-1"}});
    let output = without_network(|| sign_by_command(&manifest(&spec), "2030-01-02T03:04:05Z"));
    let (status, complaint) = (output.status, complaint(&output));
    assert_eq!(status.code(), Some(1), "{status}");
    assert!(complaint.contains("spec.bucket: directory buckets"), "{complaint}");

    // For these the SDK would first ask the store for a session. Should the check ever be
    // lost, there is still nothing that could ask.
    let spec = serde_json::from_value(
        json!({"bucket": "reports", "key": "a", "s3": {"region": "us-east-1", "credentials": {"secretRef": {"name": "k"}}}}),
    )
    .unwrap();
    let mut request = Request::inline(Requester::new("team-a", "report"), &spec, None).unwrap();
    request.bucket = "reports--use1-az4--x-s3".to_owned();
    let data = ["access-key-id", "secret-access-key"].map(|key| (key.to_owned(), ByteString(b"x".to_vec())));
    let credentials = Credentials::parse(request.credentials.secret().unwrap(), &data.into()).unwrap();
    let refusal = without_network(|| sign(&request, &credentials, Timestamp::UNIX_EPOCH)).unwrap_err();
    assert!(refusal.to_string().contains("signed another address"), "{refusal}");
}

#[test]
fn the_sdk_is_built_without_a_client() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--edges=normal",
            "--package=aws-sdk-s3",
            "--prefix=none",
            "--format={p}",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let crates: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains(&"aws-sigv4") && crates.contains(&"aws-smithy-runtime"), "{tree}");
    for client in [
        "aws-config",
        "aws-smithy-http-client",
        "aws-smithy-experimental",
        "curl",
        "h2",
        "hickory-resolver",
        "hyper",
        "hyper-util",
        "hyper-rustls",
        "hyper-tls",
        "isahc",
        "native-tls",
        "quinn",
        "reqwest",
        "rustls",
        "tokio-rustls",
        "ureq",
    ] {
        assert!(!crates.contains(&client), "{client} is among the dependencies of aws-sdk-s3");
    }
}
