//! The fields of a Secret that managers own one by one, and their form in JSON.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::Manager;

/// Name of a field: its path from the root of the object.
pub type Field = Vec<String>;

/// The maps whose entries are fields.
const MAPS: [&[&str]; 3] = [&["metadata", "labels"], &["metadata", "annotations"], &["data"]];

fn path(names: &[&str]) -> Field {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn reference(uid: &str) -> Field {
    path(&["metadata", "ownerReferences", uid])
}

fn is_reference(field: &Field) -> bool {
    field[..].starts_with(&path(&["metadata", "ownerReferences"]))
}

/// The fields of a Secret.
pub fn values(secret: &Secret) -> BTreeMap<Field, Value> {
    patched(&BTreeMap::new(), &serde_json::to_value(secret).unwrap())
}

/// The fields after a strategic-merge patch of them.
pub fn patched(before: &BTreeMap<Field, Value>, patch: &Value) -> BTreeMap<Field, Value> {
    let mut values = before.clone();
    let mut put = |field: Field, value: &Value| match value {
        Value::Null => drop(values.remove(&field)),
        value => drop(values.insert(field, value.clone())),
    };
    for parent in MAPS {
        let map = parent.iter().fold(patch, |node, name| &node[name]);
        for (name, value) in map.as_object().into_iter().flatten() {
            put(path(&[parent, &[name]].concat()), value);
        }
    }
    for owner in patch["metadata"]["ownerReferences"].as_array().into_iter().flatten() {
        let is_deleted = owner["$patch"] == "delete";
        put(reference(owner["uid"].as_str().unwrap()), if is_deleted { &Value::Null } else { owner });
    }
    for name in ["type", "immutable"] {
        patch.get(name).into_iter().for_each(|value| put(path(&[name]), value));
    }
    values
}

/// The object that holds these fields.
pub fn object(values: &BTreeMap<Field, Value>) -> Value {
    let mut object = json!({"metadata": {}});
    for (field, value) in values {
        if is_reference(field) {
            let references = &mut object["metadata"]["ownerReferences"];
            let mut all = references.as_array().cloned().unwrap_or_default();
            all.push(value.clone());
            *references = all.into();
        } else {
            *field.iter().fold(&mut object, |node, name| &mut node[name]) = value.clone();
        }
    }
    object
}

/// One entry of `metadata.managedFields`.
pub fn managed_fields((manager, operation): Manager, time: Timestamp, fields: &BTreeSet<Field>) -> Value {
    let mut tree = json!({});
    for field in fields {
        let name = |(depth, name)| {
            if is_reference(field) && depth == 2 {
                format!("k:{}", json!({"uid": name}))
            } else {
                format!("f:{name}")
            }
        };
        *field.iter().enumerate().map(name).fold(&mut tree, |node, name| &mut node[name]) = json!({});
    }
    json!({
        "manager": manager, "operation": operation, "time": time,
        "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": tree,
    })
}
