//! An API server with room for one Secret, which remembers who owns which field.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

/// Name of a field manager, and how it writes.
pub type Manager = (&'static str, &'static str);
/// Our field manager.
pub const US: Manager = ("presign-operator", "Apply");
/// A person with `kubectl edit`.
pub const THEM: Manager = ("kubectl-edit", "Update");

/// Name of a field: its path from the root of the object.
type Field = Vec<String>;

/// An API server with room for one Secret.
#[derive(Clone, Debug, Default)]
pub struct Server {
    object: Option<Object>,
    secret: Option<Secret>,
    writes: u64,
}

#[derive(Clone, Debug)]
struct Object {
    uid: String,
    version: u64,
    created: Timestamp,
    values: BTreeMap<Field, Value>,
    managers: BTreeMap<Manager, Managed>,
}

#[derive(Clone, Debug)]
struct Managed {
    time: Timestamp,
    fields: BTreeSet<Field>,
}

impl Server {
    /// The Secret as a client reads it.
    pub fn get(&self) -> Option<Secret> {
        self.secret.clone()
    }

    /// A server-side apply with force of the complete Secret. One that changes nothing
    /// leaves the resource version.
    pub fn apply(&mut self, manager: Manager, secret: &Secret, now: Timestamp) {
        let applied = values(secret);
        let object = self.object_at(now);
        let (values, fields) = (object.values.clone(), applied.keys().cloned().collect());
        let before = object.managers.insert(manager, Managed { time: now, fields });
        for field in before.iter().flat_map(|managed| &managed.fields) {
            if !object.managers.values().any(|managed| managed.fields.contains(field)) {
                object.values.remove(field);
            }
        }
        object.set(manager, &applied);
        match before {
            Some(before) if before.fields == object.managers[&manager].fields && values == object.values => {
                object.managers.insert(manager, before);
            }
            _ => self.publish(),
        }
    }

    /// A read, an edit and a replace by somebody; creates the Secret where there is none.
    pub fn update(&mut self, manager: Manager, now: Timestamp, edit: impl FnOnce(&mut Secret)) {
        let mut secret = self.get().unwrap_or_default();
        let before = values(&secret);
        edit(&mut secret);
        let after = values(&secret);
        let object = self.object_at(now);
        for field in before.keys().filter(|field| !after.contains_key(*field)) {
            object.values.remove(field);
            object.managers.values_mut().for_each(|managed| managed.fields.retain(|own| own != field));
        }
        let changed: BTreeMap<_, _> =
            after.into_iter().filter(|(field, value)| before.get(field) != Some(value)).collect();
        let managed =
            object.managers.entry(manager).or_insert(Managed { time: now, fields: BTreeSet::new() });
        managed.time = now;
        managed.fields.extend(changed.keys().cloned());
        object.set(manager, &changed);
        self.publish();
    }

    /// Deletes the Secret.
    pub fn delete(&mut self) {
        (self.object, self.secret) = (None, None);
    }

    fn object_at(&mut self, now: Timestamp) -> &mut Object {
        let uid = format!("s-{}", self.writes + 1);
        self.object.get_or_insert_with(|| Object {
            uid,
            version: 0,
            created: now,
            values: BTreeMap::new(),
            managers: BTreeMap::new(),
        })
    }

    /// Makes a write visible.
    fn publish(&mut self) {
        self.writes += 1;
        let Some(object) = &mut self.object else { return };
        object.version = self.writes;
        self.secret = Some(object.secret());
    }
}

impl Object {
    /// Writes values; whoever else owned another value of a field does so no longer.
    fn set(&mut self, manager: Manager, values: &BTreeMap<Field, Value>) {
        for (field, value) in values {
            if self.values.insert(field.clone(), value.clone()).is_some_and(|before| before != *value) {
                let others = self.managers.iter_mut().filter(|(other, _)| **other != manager);
                others.for_each(|(_, managed)| managed.fields.retain(|own| own != field));
            }
        }
    }

    fn secret(&self) -> Secret {
        let mut secret = json!({"metadata": {
            "name": "report",
            "namespace": "team-a",
            "uid": self.uid,
            "resourceVersion": self.version.to_string(),
            "creationTimestamp": self.created,
            "managedFields": self.managers.iter().map(managed_fields).collect::<Vec<_>>(),
        }});
        for (field, value) in &self.values {
            if is_reference(field) {
                let references = &mut secret["metadata"]["ownerReferences"];
                let mut all = references.as_array().cloned().unwrap_or_default();
                all.push(value.clone());
                *references = all.into();
            } else {
                *field.iter().fold(&mut secret, |node, name| &mut node[name]) = value.clone();
            }
        }
        serde_json::from_value(secret).unwrap()
    }
}

/// The fields of a Secret that its managers own one by one.
fn values(secret: &Secret) -> BTreeMap<Field, Value> {
    let object = serde_json::to_value(secret).unwrap();
    let path = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Field>();
    let mut values = BTreeMap::new();
    for parent in [&["metadata", "labels"][..], &["metadata", "annotations"], &["data"]] {
        let map = parent.iter().fold(&object, |node, name| &node[name]);
        for (name, value) in map.as_object().into_iter().flatten() {
            values.insert(path(&[parent, &[name]].concat()), value.clone());
        }
    }
    for reference in object["metadata"]["ownerReferences"].as_array().into_iter().flatten() {
        let uid = reference["uid"].as_str().unwrap();
        values.insert(path(&["metadata", "ownerReferences", uid]), reference.clone());
    }
    for name in ["type", "immutable"] {
        values.extend(object.get(name).map(|value| (path(&[name]), value.clone())));
    }
    values
}

fn is_reference(field: &Field) -> bool {
    field[..].starts_with(&["metadata".to_owned(), "ownerReferences".to_owned()])
}

/// One entry of `metadata.managedFields`.
fn managed_fields(((manager, operation), managed): (&Manager, &Managed)) -> Value {
    let mut tree = json!({});
    for field in &managed.fields {
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
        "manager": manager, "operation": operation, "time": managed.time,
        "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": tree,
    })
}
