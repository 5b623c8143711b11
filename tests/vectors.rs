//! The URLs that boto3 makes, through the built binary: the same specs, credentials and
//! signing times must give the same host, path, parameters and signature.
//!
//! On a failure only the names of the row and of the part are printed, never a URL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::process::Command;

use serde_json::{Value, json};

#[path = "vectors/post.rs"]
mod post;

const VECTORS: &str = include_str!("vectors/sigv4.jsonl");

struct Row {
    name: String,
    manifest: String,
    spec: Value,
    credentials: Value,
    signed_at: String,
    url: String,
}

fn rows() -> Vec<Row> {
    rows_of(VECTORS)
}

fn rows_of(lines: &str) -> Vec<Row> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    lines
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let mut spec = row["spec"].clone();
            spec["s3"]["credentials"]["secretRef"] = json!({"name": "unused"});
            let manifest = json!({
                "apiVersion": "presign.dev/v1alpha1",
                "kind": "PresignedUrl",
                "metadata": {"name": "row"},
                "spec": spec,
            });
            Row {
                name: text(&row["name"]),
                manifest: manifest.to_string(),
                spec,
                credentials: row["credentials"].clone(),
                signed_at: text(&row["signedAt"]),
                url: text(&row["url"]),
            }
        })
        .collect()
}

/// The binary under test; `PRESIGN_BINARY` names another one, such as that of another architecture.
#[expect(clippy::disallowed_methods, reason = "make asks through the environment")]
fn binary() -> OsString {
    std::env::var_os("PRESIGN_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_presign-operator").into())
}

/// What the command prints for a manifest with the access key and the time of a row.
fn sign(row: &Row, manifest: &str, output: &str) -> String {
    let mut command = Command::new(binary());
    command.env_clear().args(["sign", "-f", "-", "--signed-at", &row.signed_at, "-o", output]);
    for (variable, field) in [
        ("AWS_ACCESS_KEY_ID", "accessKeyId"),
        ("AWS_SECRET_ACCESS_KEY", "secretAccessKey"),
        ("AWS_SESSION_TOKEN", "sessionToken"),
    ] {
        if let Some(value) = row.credentials.get(field).and_then(Value::as_str) {
            command.env(variable, value);
        }
    }
    let output = testbed::feed(&mut command, manifest).unwrap();
    assert!(output.status.success(), "{}: {}", row.name, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Scheme and host, path, and parameters, none of them decoded.
fn parts(url: &str) -> (String, String, BTreeMap<String, String>) {
    let (address, query) = url.split_once('?').unwrap();
    let (scheme, rest) = address.split_once("://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    let parameters: BTreeMap<_, _> = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(parameters.len(), query.split('&').count(), "a parameter stands there twice");
    (format!("{scheme}://{host}"), path.to_owned(), parameters)
}

#[test]
fn signs_what_boto3_signs_and_says_all_that_a_caller_needs() {
    let rows = rows();
    assert_eq!(rows.len(), 152);
    for row in rows {
        let printed: Value = serde_json::from_str(&sign(&row, &row.manifest, "json")).unwrap();
        let (host, path, parameters) = parts(printed["url"].as_str().unwrap());
        let (expected_host, expected_path, expected) = parts(&row.url);
        assert_eq!(host, expected_host, "{}: host", row.name);
        assert_eq!(path, expected_path, "{}: path", row.name);
        let names: BTreeSet<_> = parameters.keys().collect();
        assert_eq!(names, expected.keys().collect(), "{}: names of parameters", row.name);
        for (name, value) in &parameters {
            assert!(expected[name] == *value, "{}: parameter {name}", row.name);
        }
        assert!(!parameters.contains_key("x-id"), "{}: x-id", row.name);

        let method = row.spec.get("method").cloned().unwrap_or(json!("GET"));
        assert_eq!(printed["method"], method, "{}: method", row.name);
        let headers = row.spec.get("headers").cloned().unwrap_or(json!({}));
        assert_eq!(printed["headers"], headers, "{}: headers", row.name);
        let begin: jiff::Timestamp = row.signed_at.parse().unwrap();
        let end: jiff::Timestamp = printed["expiresAt"].as_str().unwrap().parse().unwrap();
        let lifetime = (end.as_second() - begin.as_second()).to_string();
        assert!(parameters["X-Amz-Expires"] == lifetime, "{}: expiresAt", row.name);
    }
}

/// Every row is signed at another time; for this one time is enough, and two calls.
#[test]
fn the_url_alone_is_the_one_of_the_json() {
    let rows = rows();
    let manifests: Vec<&str> = rows.iter().map(|row| row.manifest.as_str()).collect();
    let manifest = manifests.join("\n---\n");
    let [urls, json] = ["url", "json"].map(|output| sign(&rows[0], &manifest, output));
    let objects: Vec<Value> =
        serde_json::Deserializer::from_str(&json).into_iter::<Value>().map(Result::unwrap).collect();
    assert_eq!((urls.lines().count(), objects.len()), (rows.len(), rows.len()));
    for ((row, url), object) in rows.iter().zip(urls.lines()).zip(&objects) {
        assert!(object["url"] == url, "{}", row.name);
    }
    assert!(urls.ends_with('\n'));
}
