//! The definitions as the API server takes them: limits on everything, defaults only for what a
//! column shows.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use strum::VariantArray as _;

use super::kinds::Kind;
use super::server::{ContractServer, object, spec};

/// What has no maximum, because it is not ours to set or has a fixed form.
const UNLIMITED: [&str; 10] = [
    // One of three numbers, by a rule.
    "spec.form.successStatus",
    // What the API server and the operator count.
    "status.allowed",
    "status.conditions[].observedGeneration",
    "status.denied",
    "status.observedGeneration",
    // RFC 3339 times, whose form is checked.
    "status.conditions[].lastTransitionTime",
    "status.expirationTime",
    "status.renewalTime",
    "status.signingTime",
    "status.verified.time",
];

/// A field of a definition, or what a list or a map consists of.
struct Field {
    kind: Kind,
    path: String,
    schema: Value,
    is_required: bool,
}

impl Field {
    /// Whether it is not a field, but what a list or a map consists of.
    fn is_entry(&self) -> bool {
        self.path.ends_with(['}', ']'])
    }

    fn description(&self) -> &str {
        self.schema["description"].as_str().unwrap_or_default()
    }
}

/// Everything in the specs and statuses of our kinds, however deep.
fn fields() -> Vec<Field> {
    let mut fields = Vec::new();
    for kind in Kind::VARIANTS {
        let definition = kind.definition();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        for part in ["spec", "status"] {
            collect(*kind, part.to_owned(), &schema[part], true, &mut fields);
        }
    }
    fields
}

fn collect(kind: Kind, path: String, schema: &Value, is_required: bool, fields: &mut Vec<Field>) {
    let required = schema["required"].as_array();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let is_required = required.is_some_and(|required| required.iter().any(|other| other == name));
        collect(kind, format!("{path}.{name}"), property, is_required, fields);
    }
    for (inner, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(inner) = schema.get(inner) {
            collect(kind, format!("{path}{mark}"), inner, true, fields);
        }
    }
    fields.push(Field { kind, path, schema: schema.clone(), is_required });
}

/// Whether a string, list, map or number has a maximum.
fn is_limited(schema: &Value) -> bool {
    let has = |limit: &str| schema.get(limit).is_some();
    match schema["type"].as_str().unwrap() {
        "string" => has("maxLength") || has("enum"),
        "array" => has("maxItems"),
        "object" if has("additionalProperties") => has("maxProperties"),
        "object" => has("properties") || schema["maxProperties"] == 0,
        "boolean" => true,
        "integer" => has("maximum") || has("enum"),
        other => panic!("{schema} is of type {other}"),
    }
}

#[test]
fn everything_has_a_maximum_and_nothing_may_be_null() {
    let mut unlimited = BTreeSet::new();
    for Field { kind, path, schema, .. } in fields() {
        for keyword in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string", "nullable"] {
            assert!(schema.get(keyword).is_none(), "{kind} {path} has {keyword}");
        }
        let has_default = schema.get("default").is_some();
        assert!(!has_default || ["status", "spec.method"].contains(&&*path), "{kind} {path} has a default");
        if !is_limited(&schema) {
            unlimited.insert(path);
        }
    }
    assert_eq!(unlimited, BTreeSet::from(UNLIMITED.map(str::to_owned)));
}

#[test]
fn every_field_is_described() {
    for field in fields().iter().filter(|field| !field.is_entry()) {
        assert!(field.description().len() > 5, "{} {} has no description", field.kind, field.path);
    }
}

/// What `kubectl explain` shows: sentences without the line breaks of the source, each value of
/// an enum with its meaning, and the default.
#[test]
fn descriptions_read_well() {
    let mut faults = Vec::new();
    for field in &fields() {
        let (schema, text) = (&field.schema, field.description());
        let mut fault = |fault: String| faults.push(format!("{} {} {fault}", field.kind, field.path));
        if text.replace("\n\n", "").contains('\n') {
            fault("has line breaks within a paragraph".to_owned());
        }
        for value in schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !text.contains(&format!("{value}: ")) {
                fault(format!("does not say what {value} means"));
            }
        }
        let has_default = schema.get("enum").is_some() || schema["type"] == "boolean";
        let is_optional = field.path.starts_with("spec") && !field.is_required;
        if has_default && is_optional && !text.contains("Default: ") {
            fault("does not name its default".to_owned());
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_api_server_establishes_them() {
    let server = ContractServer::get();
    for kind in Kind::VARIANTS {
        let path = "jsonpath={range .status.conditions[*]}{.type}={.status} {end}";
        let definition = kind.definition();
        let name = definition["metadata"]["name"].as_str().unwrap();
        let conditions = server.kubectl(&["get", "crd", name, "-o", path]);
        assert!(
            conditions.contains("Established=True") && conditions.contains("NamesAccepted=True"),
            "{kind}: {conditions}"
        );
        // Would name what the server makes no sense of in the schema.
        assert!(!conditions.contains("NonStructuralSchema"), "{kind}: {conditions}");
    }
}

#[test]
fn a_stored_object_has_the_spec_as_written_and_its_method() {
    let server = ContractServer::get();
    for kind in Kind::VARIANTS {
        let spec = kind.spec(&json!({}));
        server.feed(&["create", "-f", "-"], &kind.object("smallest", &spec));
        let stored = server.kubectl(&["get", &kind.to_string(), "smallest", "-o", "json"]);
        let stored: Value = serde_json::from_str(&stored).unwrap();
        assert_eq!(stored["spec"], kind.stored(&spec), "{kind}");
        assert_eq!(stored["status"], json!({"observedGeneration": -1}), "{kind}");
        let method = stored["spec"].get("method").and_then(Value::as_str);
        assert_eq!(method, (*kind == Kind::PresignedUrl).then_some("GET"), "{kind}");
    }
}

#[test]
fn a_status_cannot_be_written_with_the_spec() {
    let server = ContractServer::get();
    let mut object = object("pretender", &spec(&json!({})));
    object["status"] = json!({"observedGeneration": 9, "secretName": "x"});
    server.feed(&["create", "-f", "-"], &object);
    let stored = server.kubectl(&["get", "psu", "pretender", "-o", "jsonpath={.status}"]);
    assert_eq!(stored, r#"{"observedGeneration":-1}"#);
}

#[test]
fn a_condition_has_the_form_that_kubernetes_gives_it() {
    let server = ContractServer::get();
    server.feed(&["create", "-f", "-"], &object("judged-status", &spec(&json!({}))));
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "Issued", "message": "",
        "lastTransitionTime": "2030-01-02T03:04:05Z", "observedGeneration": 1,
    });
    let write = |field: &str, value: &Value| {
        let mut condition = condition.clone();
        condition[field] = value.clone();
        let patch = json!({"status": {"conditions": [condition]}}).to_string();
        let patch = ["patch", "psu", "judged-status", "--subresource=status", "--type=merge", "-p", &patch];
        server.run(&patch, None)
    };
    write("type", &json!("example.com/Ready")).unwrap();
    for (field, value) in [
        ("type", json!("not a type")),
        ("type", json!("")),
        ("type", json!("T".repeat(317))),
        ("status", json!("true")),
        ("reason", json!("")),
        ("reason", json!("two words")),
        ("reason", json!("R".repeat(1025))),
        ("message", json!("m".repeat(32_769))),
        ("lastTransitionTime", json!("yesterday")),
        ("observedGeneration", json!(-1)),
    ] {
        let refusal = write(field, &value).unwrap_err();
        assert!(refusal.contains(&format!("status.conditions[0].{field}")), "{field}: {refusal}");
    }
}

#[test]
fn unknown_fields_are_refused_when_applied() {
    let server = ContractServer::get();
    let misspelt = object("misspelt", &spec(&json!({"expires": "1h"})));
    let refusal = server.run(&["apply", "--dry-run=server", "-f", "-"], Some(&misspelt)).unwrap_err();
    assert!(refusal.contains("unknown field \"spec.expires\""), "{refusal}");
}
