//! The definition as the API server takes it: limits on everything, defaults only for what a
//! column shows.

use serde_json::{Value, json};

use super::server::{self, Server, definition, object, spec};

/// What has no maximum, because it is not ours to set or has a fixed form.
const UNLIMITED: [&str; 4] = [
    // RFC 3339 times, whose form is checked.
    "status.conditions[].lastTransitionTime",
    "status.expirationTime",
    "status.renewalTime",
    "status.signingTime",
];

#[test]
fn everything_has_a_maximum_and_nothing_may_be_null() {
    let definition = definition();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let mut unlimited = Vec::new();
    for part in ["spec", "status"] {
        walk(&schema[part], part, &mut unlimited);
    }
    assert_eq!(unlimited, UNLIMITED);
    assert!(!definition.to_string().contains("nullable"));
}

/// Collects the paths of strings, lists, maps and numbers without a maximum.
fn walk(schema: &Value, path: &str, unlimited: &mut Vec<String>) {
    let has = |limit: &str| schema.get(limit).is_some();
    let is_limited = match schema["type"].as_str().unwrap() {
        "string" => has("maxLength") || has("enum"),
        "array" => has("maxItems"),
        "object" if has("additionalProperties") => has("maxProperties"),
        "object" => has("properties"),
        "boolean" => true,
        "integer" => has("maximum") || has("format"),
        other => panic!("{path} is of type {other}"),
    };
    assert!(!has("x-kubernetes-preserve-unknown-fields") && !has("x-kubernetes-int-or-string"), "{path}");
    assert!(!has("default") || ["status", "spec.method"].contains(&path), "{path} has a default");
    if !is_limited {
        unlimited.push(path.to_owned());
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), unlimited);
    }
    for (inner, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(inner) = schema.get(inner) {
            walk(inner, &format!("{path}{mark}"), unlimited);
        }
    }
}

#[test]
fn every_field_is_described() {
    fn describe(schema: &Value, path: &str) {
        assert!(
            schema["description"].as_str().is_some_and(|text| text.len() > 5),
            "{path} has no description"
        );
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            describe(property, &format!("{path}.{name}"));
        }
    }
    let definition = definition();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    describe(&schema["spec"], "spec");
    describe(&schema["status"], "status");
}

/// What `kubectl explain` shows: sentences without the line breaks of the source, each value of
/// an enum with its meaning, and the default.
#[test]
fn descriptions_read_well() {
    fn look(schema: &Value, path: &str, is_required: bool, faults: &mut Vec<String>) {
        let text = schema["description"].as_str().unwrap_or_default();
        if text.replace("\n\n", "").contains('\n') {
            faults.push(format!("{path} has line breaks within a paragraph"));
        }
        for value in schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !text.contains(&format!("{value}: ")) {
                faults.push(format!("{path} does not say what {value} means"));
            }
        }
        let has_default = schema.get("enum").is_some() || schema["type"] == "boolean";
        if path.starts_with("spec") && has_default && !is_required && !text.contains("Default: ") {
            faults.push(format!("{path} does not name its default"));
        }
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            look(property, &format!("{path}.{name}"), required.contains(&name.as_str()), faults);
        }
    }
    let mut faults = Vec::new();
    let definition = definition();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    look(&schema["spec"], "spec", true, &mut faults);
    look(&schema["status"], "status", true, &mut faults);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_api_server_establishes_it() {
    let server = Server::get();
    let path = "jsonpath={range .status.conditions[*]}{.type}={.status} {end}";
    let conditions = server.kubectl(&["get", "crd", "presignedurls.presign.dev", "-o", path]);
    assert!(
        conditions.contains("Established=True") && conditions.contains("NamesAccepted=True"),
        "{conditions}"
    );
    // Would name what the server makes no sense of in the schema.
    assert!(!conditions.contains("NonStructuralSchema"), "{conditions}");
}

#[test]
fn a_stored_object_has_the_spec_as_written_and_its_method() {
    let server = Server::get();
    server.feed(&["create", "-f", "-"], &object("smallest", &spec(&json!({}))));
    let stored: Value =
        serde_json::from_str(&server.kubectl(&["get", "psu", "smallest", "-o", "json"])).unwrap();
    assert_eq!(stored["spec"], server::stored(&spec(&json!({}))));
    assert_eq!(stored["spec"]["method"], "GET");
    assert_eq!(stored["status"], json!({"observedGeneration": -1}));
}

#[test]
fn a_status_cannot_be_written_with_the_spec() {
    let server = Server::get();
    let mut object = object("pretender", &spec(&json!({})));
    object["status"] = json!({"observedGeneration": 9, "secretName": "x"});
    server.feed(&["create", "-f", "-"], &object);
    let stored = server.kubectl(&["get", "psu", "pretender", "-o", "jsonpath={.status}"]);
    assert_eq!(stored, r#"{"observedGeneration":-1}"#);
}

#[test]
fn a_condition_has_the_form_that_kubernetes_gives_it() {
    let server = Server::get();
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
    let server = Server::get();
    let misspelt = object("misspelt", &spec(&json!({"expires": "1h"})));
    let refusal = server.run(&["apply", "--dry-run=server", "-f", "-"], Some(&misspelt)).unwrap_err();
    assert!(refusal.contains("unknown field \"spec.expires\""), "{refusal}");
}
