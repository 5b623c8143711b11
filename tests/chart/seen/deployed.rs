//! How objects stand for those who deploy them: Argo CD by our script, Flux and kubectl by the
//! rules of kstatus.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;

use super::scene::{NAMESPACE, scene};
use crate::render::{root, run};
use crate::world::{kubectl, kubectl_with};

fn object(name: &str) -> Value {
    let _ = scene();
    let text = kubectl(&["-n", NAMESPACE, "get", "presignedurl", name, "-o", "json"]).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// An object that was never looked at, since nobody looks after its namespace.
fn fresh() -> Value {
    let manifest = "apiVersion: presign.dev/v1alpha1\nkind: PresignedUrl\nmetadata: {name: fresh}\n\
        spec: {bucket: bucket, key: k, s3: {region: eu-central-1, credentials: {secretRef: {name: keys}}}}\n";
    let text = kubectl_with(&["-n", "default", "create", "-o", "json", "-f", "-"], manifest).unwrap();
    kubectl(&["-n", "default", "delete", "presignedurl", "fresh"]).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The object with another value somewhere.
fn with(object: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = object.clone();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    changed.pointer_mut(parent).unwrap()[field] = value;
    changed
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)?["status"].as_str()
}

/// The generic rules of kstatus, for kinds that it does not know.
fn kstatus(object: &Value) -> &'static str {
    let observed = object["status"]["observedGeneration"].as_i64();
    if object["metadata"].get("deletionTimestamp").is_some() {
        return "Terminating";
    }
    if observed.is_some_and(|observed| Some(observed) != object["metadata"]["generation"].as_i64()) {
        return "InProgress";
    }
    if condition(object, "Stalled") == Some("True") {
        return "Failed";
    }
    if condition(object, "Reconciling") == Some("True") {
        return "InProgress";
    }
    match condition(object, "Ready") {
        Some("True") | None => "Current",
        Some(_) => "InProgress",
    }
}

/// The same value in the syntax of Lua.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => {
            let bytes = text.bytes().fold(String::new(), |mut escaped, byte| {
                let _ = write!(escaped, "\\{byte:03}");
                escaped
            });
            format!("\"{bytes}\"")
        }
        Value::Array(items) => format!("{{{}}}", items.iter().map(lua).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("[\"{name}\"]={}", lua(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
    }
}

/// What our script says to Argo CD: status and message.
fn argo(object: &Value) -> (String, String) {
    let script = root().join("deploy/argocd/health.lua");
    let program = format!(
        "obj = {}\nlocal health = dofile(\"{}\")\nio.write(health.status, \"\\n\", health.message)",
        lua(object),
        script.display()
    );
    let said = run(Command::new("lua5.4").args(["-e", &program])).unwrap();
    let (status, message) = said.split_once('\n').unwrap();
    (status.to_owned(), message.to_owned())
}

#[test]
fn argo_cd_and_kstatus_read_what_is_meant() {
    let good = object("good");
    let newer = with(&good, "/metadata/generation", 99.into());
    let deleted = with(&good, "/metadata/deletionTimestamp", "2026-01-01T00:00:00Z".into());
    let suspended = with(&good, "/status/conditions/0/reason", "Suspended".into());
    let unknown = with(&good, "/status/conditions/0/status", "Unknown".into());
    for (what, object, in_argo, in_kstatus) in [
        ("never looked at", fresh(), "Progressing", "InProgress"),
        ("issued", good, "Healthy", "Current"),
        ("edited since", newer, "Progressing", "InProgress"),
        ("being deleted", deleted, "Progressing", "Terminating"),
        ("suspended", suspended, "Suspended", "Current"),
        ("unknown", unknown, "Progressing", "InProgress"),
        ("stalled", object("conflict"), "Degraded", "Failed"),
        ("waiting for credentials", object("failing"), "Degraded", "InProgress"),
    ] {
        let (status, message) = argo(&object);
        assert_eq!((status.as_str(), kstatus(&object)), (in_argo, in_kstatus), "{what}: {object}");
        assert!(!message.is_empty(), "{what}");
    }
    assert!(argo(&object("conflict")).1.contains("foreign"));
}
