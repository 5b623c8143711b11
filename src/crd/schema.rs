//! The `CustomResourceDefinition` as it is installed: what the derive says, and the few
//! things that it cannot say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::{ClusterSigner, Method, PresignedUrl, Signer};

/// All our definitions, ready to be applied: that of `PresignedUrl` first.
///
/// # Errors
/// When the derived schema does not have the form that is being completed here; a test
/// calls this, so a release cannot fail.
pub fn definitions() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    let derived = [PresignedUrl::crd(), Signer::crd(), ClusterSigner::crd()];
    derived.into_iter().map(|crd| complete(serde_json::to_value(crd)?)).collect()
}

fn complete(mut crd: Value) -> Result<CustomResourceDefinition, serde_json::Error> {
    strip_nullable(&mut crd);
    join_lines(&mut crd);
    let properties = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    // kstatus reads a generation that was not observed as "in progress".
    properties["status"]["default"] = json!({"observedGeneration": -1});
    limit_condition(&mut properties["status"]["properties"]["conditions"]["items"]["properties"]);
    // A column shows what is stored, so this default alone is written into objects.
    if let Some(method) = properties["spec"]["properties"].get_mut("method") {
        method["default"] = json!(Method::default());
    }
    if crd["spec"]["names"]["kind"] != "ClusterSigner" {
        remove_cluster_credentials(&mut crd);
    }
    serde_json::from_value(crd)
}

/// Removes the credentials that only a ClusterSigner can have: the operator's own, and those of another
/// namespace.
fn remove_cluster_credentials(crd: &mut Value) {
    let properties = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let credentials = &mut properties["spec"]["properties"]["s3"]["properties"]["credentials"]["properties"];
    let remove = |fields: &mut Value, name| fields.as_object_mut().and_then(|fields| fields.remove(name));
    remove(credentials, "ambient");
    remove(&mut credentials["webIdentity"]["properties"]["serviceAccountRef"]["properties"], "from");
}

/// Adds the validation of `metav1.Condition`, which the type does not carry:
/// <https://github.com/kubernetes/apimachinery/blob/master/pkg/apis/meta/v1/types.go>.
fn limit_condition(properties: &mut Value) {
    let limits = [
        ("lastTransitionTime", json!({"format": "date-time"})),
        ("message", json!({"maxLength": 32768})),
        ("observedGeneration", json!({"minimum": 0})),
        ("reason", json!({"minLength": 1, "maxLength": 1024, "pattern": REASON})),
        ("status", json!({"enum": ["True", "False", "Unknown"], "description": CONDITION_STATUS})),
        ("type", json!({"maxLength": 316, "pattern": CONDITION_TYPE})),
    ];
    for (field, limits) in limits {
        if let (Some(schema), Value::Object(limits)) = (properties[field].as_object_mut(), limits) {
            schema.extend(limits);
        }
    }
}

/// What the values of a condition's status mean.
const CONDITION_STATUS: &str = "Whether the condition holds. True: it holds. False: it does not hold. Unknown: the operator cannot tell.";
/// The form of a reason: a word in CamelCase.
const REASON: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";
/// The form of a condition type: a word, with an optional DNS prefix.
const CONDITION_TYPE: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";

/// A map of HTTP header names to values.
pub(super) fn headers_map(_: &mut SchemaGenerator) -> Schema {
    string_map(32, 2048)
}

/// A map of query parameters to values.
pub(super) fn query_map(_: &mut SchemaGenerator) -> Schema {
    string_map(16, 1024)
}

/// A map of names of metadata to values.
pub(super) fn metadata_map(_: &mut SchemaGenerator) -> Schema {
    string_map(16, 1024)
}

/// A map of label names to values.
pub(super) fn label_map(_: &mut SchemaGenerator) -> Schema {
    string_map(32, 63)
}

/// A map of annotation names to values.
pub(super) fn annotation_map(_: &mut SchemaGenerator) -> Schema {
    string_map(32, 4096)
}

/// A list of names of namespaces.
pub(super) fn namespace_names(_: &mut SchemaGenerator) -> Schema {
    let name = json!({"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"});
    set_of(256, &name)
}

/// A list of names of buckets.
pub(super) fn bucket_names(_: &mut SchemaGenerator) -> Schema {
    set_of(64, &json!({"type": "string", "minLength": 3, "maxLength": 255, "pattern": "^[A-Za-z0-9._:/-]+$"}))
}

/// A list of keys or prefixes of keys.
pub(super) fn keys(_: &mut SchemaGenerator) -> Schema {
    set_of(32, &json!({"type": "string", "minLength": 1, "maxLength": 1024}))
}

/// A list of names of headers, which may end with `*`.
pub(super) fn header_names(_: &mut SchemaGenerator) -> Schema {
    set_of(64, &json!({"type": "string", "minLength": 1, "maxLength": 128}))
}

fn set_of(most: u32, item: &Value) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": most,
        "items": item,
        "x-kubernetes-list-type": "set",
    })
}

/// A label selector, with limits. The descriptions are those of `metav1.LabelSelector`.
pub(super) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    let text = |length: u32| json!({"type": "string", "maxLength": length});
    json_schema!({
        "type": "object",
        "properties": {
            "matchLabels": {
                "description": "Labels that the namespace must have, with their values.",
                "type": "object", "maxProperties": 16, "additionalProperties": text(63),
            },
            "matchExpressions": {
                "description": "Requirements for labels. All must hold.",
                "type": "array", "maxItems": 16, "items": {
                    "type": "object", "required": ["key", "operator"], "properties": {
                        "key": {"description": "Name of the label.", "type": "string", "maxLength": 317},
                        "operator": {
                            "description": "In: the label has one of the values. NotIn: it does not. Exists: the namespace has the label. DoesNotExist: it does not.",
                            "type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                        },
                        "values": {
                            "description": "The values for In and NotIn.",
                            "type": "array", "maxItems": 64, "items": text(63),
                        },
                    },
                },
            },
        },
    })
}

fn string_map(entries: u32, length: u32) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": entries,
        "additionalProperties": {"type": "string", "maxLength": length},
    })
}

/// Where the source breaks a line within a paragraph, a reader needs no break.
fn join_lines(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::String(text) if name == "description" => {
                        let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
                        *text = paragraphs.collect::<Vec<_>>().join("\n\n");
                    }
                    value => join_lines(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(join_lines),
        _ => {}
    }
}

/// `Option<T>` would permit an explicit `null`, which no field of ours means anything by.
fn strip_nullable(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("nullable");
            map.values_mut().for_each(strip_nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nullable),
        _ => {}
    }
}
