//! Objects that an older definition let through: the operator says of them what the API
//! server would say today.

use std::ffi::OsString;

use presign_operator::crd::rules::{
    BUCKET_AWS, BUCKET_ENDPOINT, ENDPOINT_USERINFO, EXPIRES_RANGE, HEADER_REFUSED, KEY_DOTS, REGION_BLANK,
    Rule,
};
use serde_json::{Value, json};
use testbed::Program;

use super::kinds::Kind;
use super::server::{ContractServer, OLDER, object, spec};
use super::verdict::field_of;

/// Objects that break a rule: name, changes to the smallest spec, and the rule.
pub const BROKEN: [(&str, &str, Rule); 7] = [
    ("bucket", r#"{"bucket": "Reports"}"#, BUCKET_AWS),
    ("bucket-behind", r#"{"bucket": "a..b", "s3": {"endpoint": "https://h.example"}}"#, BUCKET_ENDPOINT),
    ("region", r#"{"s3": {"region": " "}}"#, REGION_BLANK),
    ("userinfo", r#"{"s3": {"endpoint": "https://id:pw@h.example"}}"#, ENDPOINT_USERINFO),
    ("dots", r#"{"key": "a/../b"}"#, KEY_DOTS),
    ("header", r#"{"headers": {"host": "h.example"}}"#, HEADER_REFUSED),
    ("lifetime", r#"{"expiresIn": "200h"}"#, EXPIRES_RANGE),
];

/// The real operator, for one namespace that also gets a Secret `keys`.
fn operate(server: &ContractServer, namespace: &str) -> Program {
    let keys = ["--from-literal=access-key-id=id", "--from-literal=secret-access-key=secret"];
    server.kubectl(&[&["-n", namespace, "create", "secret", "generic", "keys"], &keys[..]].concat());
    // Another test writes the statuses of `ClusterSigner`s itself.
    let arguments = ["run", "--listen", "127.0.0.1:0", "--namespace", namespace, "--cluster-signers=false"];
    let arguments = arguments.map(OsString::from);
    let kubeconfig = ("KUBECONFIG", server.plane.kubeconfig().as_os_str().to_owned());
    Program::start("presign-operator", env!("CARGO_BIN_EXE_presign-operator"), arguments, [kubeconfig])
        .unwrap()
}

/// Waits, by kubectl's watch and its deadline, until a condition has a status.
fn await_condition(
    server: &ContractServer,
    operator: &Program,
    namespace: &str,
    name: &str,
    condition: &str,
) {
    let wanted = format!("--for=condition={condition}");
    let outcome = server.run(&["-n", namespace, "wait", "psu", name, &wanted, "--timeout=40s"], None);
    outcome.unwrap_or_else(|error| panic!("{name}: {error}\n{}", operator.log()));
}

/// The status and message of a condition, and the reason.
fn condition(server: &ContractServer, namespace: &str, name: &str, kind: &str) -> (String, String, String) {
    let stored = server.kubectl(&["-n", namespace, "get", "psu", name, "-o", "json"]);
    let stored: Value = serde_json::from_str(&stored).unwrap();
    let conditions = stored["status"]["conditions"].as_array().unwrap();
    let condition = conditions.iter().find(|condition| condition["type"] == kind).unwrap();
    let text = |name: &str| condition[name].as_str().unwrap().to_owned();
    (text("status"), text("reason"), text("message"))
}

#[test]
fn what_breaks_a_rule_is_reported_with_the_same_sentence() {
    let server = ContractServer::get();
    server.feed(&["-n", OLDER, "create", "-f", "-"], &object("good", &spec(&json!({}))));
    let operator = operate(server, OLDER);
    await_condition(server, &operator, OLDER, "good", "Ready=True");
    for (name, _, rule) in BROKEN {
        await_condition(server, &operator, OLDER, name, "Stalled=True");
        let message = format!("{}: {}", field_of(Kind::PresignedUrl, &rule), rule.about("host"));
        let said = |status: &str| (status.to_owned(), "InvalidSpec".to_owned(), message.clone());
        assert_eq!(condition(server, OLDER, name, "Ready"), said("False"), "{name}");
        assert_eq!(condition(server, OLDER, name, "Stalled"), said("True"), "{name}");
        let described = server.kubectl(&["-n", OLDER, "describe", "psu", name]);
        let lines = described.lines().filter(|line| line.contains(&rule.about("host"))).count();
        assert!(lines >= 2 && described.contains("InvalidSpec"), "{described}");
    }
    let secrets = server.kubectl(&["-n", OLDER, "get", "secrets", "-o", "name"]);
    assert_eq!(secrets, "secret/good\nsecret/keys\n", "nothing is written for a bad spec");
}

#[test]
fn what_cannot_be_read_is_reported_and_stops_nobody() {
    let server = ContractServer::start();
    server.install_older();
    server.kubectl(&["create", "namespace", OLDER]);
    let unreadable = [
        ("a-list", json!({"bucket": [1]})),
        ("a-number", json!({"bucket": "b", "key": 5})),
        ("empty", json!({})),
        ("other-method", spec(&json!({"method": "PATCH"}))),
    ];
    for (name, spec) in &unreadable {
        server.feed(&["-n", OLDER, "create", "-f", "-"], &object(name, spec));
    }
    server.feed(&["-n", OLDER, "create", "-f", "-"], &object("good", &spec(&json!({}))));
    let operator = operate(&server, OLDER);
    await_condition(&server, &operator, OLDER, "good", "Ready=True");
    for (name, _) in &unreadable {
        await_condition(&server, &operator, OLDER, name, "Stalled=True");
        let (status, reason, message) = condition(&server, OLDER, name, "Ready");
        assert_eq!((status.as_str(), reason.as_str()), ("False", "InvalidSpec"), "{name}: {message}");
        assert!(message.starts_with("spec cannot be read: "), "{name}: {message}");
    }
    // The watch goes on: what comes later is issued too.
    server.feed(&["-n", OLDER, "create", "-f", "-"], &object("later", &spec(&json!({}))));
    await_condition(&server, &operator, OLDER, "later", "Ready=True");
}
