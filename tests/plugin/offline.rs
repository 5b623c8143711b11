//! What needs no cluster: the other names of the binary, and answers without a kubeconfig.

use std::process::{Command, Output};

const URL: &str = "https://s3.us-west-2.amazonaws.com/reports/a.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAEXAMPLE%2F20300102%2Fus-west-2%2Fs3%2Faws4_request&X-Amz-Date=20300102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=0123456789abcdef";

/// Runs the binary as a container of the operator's image does.
fn presign(arguments: &[&str]) -> Output {
    presign_with(arguments, &[])
}

/// The same with variables of the environment.
fn presign_with(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_presign-operator"));
    command.env_clear().env("HOME", "/nonexistent").envs(variables.iter().copied());
    command.arg("kubectl-presign").args(arguments).output().unwrap()
}

#[test]
fn the_first_argument_makes_it_the_plugin_and_inspect_works_offline() {
    let output = presign(&["inspect", URL, "--at", "2030-01-02T03:30:00Z"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("opens: a.txt of reports") && text.contains("works: valid"), "{text}");
    assert!(!text.contains("0123456789abcdef") && !text.contains("AKIA"), "{text}");
    let output = presign(&["inspect", URL, "--at", "2030-01-02T05:30:00Z", "-o", "json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), value["state"].as_str()), (Some(1), Some("expired")));
}

#[test]
fn a_list_of_exceptions_from_the_proxy_that_cannot_be_read_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    let text = r#"
current-context: a
contexts: [{name: a, context: {cluster: a}}]
clusters: [{name: a, cluster: {server: "https://api.example"}}]
"#;
    std::fs::write(&file, text).unwrap();
    let variables = [("HTTPS_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "a.example,,b.example")];
    let output = presign_with(&["check", "--kubeconfig", file.to_str().unwrap()], &variables);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("error: cannot read NO_PROXY"), "{said}");
}

#[test]
fn without_a_cluster_it_says_so() {
    let output = presign(&["status", "a"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("kubeconfig"), "{said}");
    let help = presign(&["--help"]);
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(help.status.success() && text.contains("Usage: kubectl presign"), "{text}");
}
