//! A model of how the API server writes one Secret: who owns which field, preconditions, and the
//! codes of its answers. `tests/cluster/model.rs` holds it against a real one.

#[path = "server/fields.rs"]
mod fields;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use self::fields::{Field, managed_fields, object, patched, values};

/// Name of a field manager, and how it writes.
pub type Manager = (&'static str, &'static str);
/// Our field manager.
pub const US: Manager = ("presign-operator", "Apply");
/// Our field manager when it creates or patches.
pub const OUR_UPDATE: Manager = ("presign-operator", "Update");
/// A person with `kubectl edit`.
pub const THEM: Manager = ("kubectl-edit", "Update");
/// Who owns the fields of an object without a record when somebody applies to it.
const BEFORE_FIRST_APPLY: Manager = ("before-first-apply", "Update");

/// What a call is answered with: the Secret, or the code of a failure.
pub type Answer = Result<Secret, u16>;

/// An API server with room for one Secret.
#[derive(Clone, Debug, Default)]
pub struct SecretServer {
    object: Option<Object>,
    secret: Option<Secret>,
    /// The version of the last write of anything.
    pub version: u64,
}

#[derive(Clone, Debug)]
struct Object {
    uid: String,
    version: u64,
    created: Timestamp,
    values: BTreeMap<Field, Value>,
    managers: Managers,
}

type Managers = BTreeMap<Manager, Managed>;

#[derive(Clone, Debug)]
struct Managed {
    time: Timestamp,
    fields: BTreeSet<Field>,
}

impl SecretServer {
    /// The Secret as a client reads it.
    pub fn get(&self) -> Option<Secret> {
        self.secret.clone()
    }

    /// A create.
    ///
    /// # Errors
    /// 409 when there is a Secret.
    pub fn create(&mut self, manager: Manager, secret: &Secret, now: Timestamp) -> Answer {
        if self.object.is_some() {
            return Err(409);
        }
        let mut object = self.new_object(now);
        object.update(manager, values(secret), now);
        self.publish(object)
    }

    /// A server-side apply with force of the complete Secret. One that changes nothing leaves
    /// the resource version.
    ///
    /// # Errors
    /// 409 for another version, or for a UID without a Secret; 422 for another UID.
    pub fn apply(&mut self, manager: Manager, secret: &Secret, now: Timestamp) -> Answer {
        let object = match &self.object {
            None if secret.metadata.uid.is_some() => return Err(409),
            None => None,
            Some(object) => {
                let metadata = &secret.metadata;
                object.require(metadata.uid.as_deref(), metadata.resource_version.as_deref())?;
                Some(object.clone())
            }
        };
        let mut object = object.unwrap_or_else(|| self.new_object(now));
        object.apply(manager, &values(secret), now);
        self.publish(object)
    }

    /// A strategic-merge patch.
    ///
    /// # Errors
    /// 404 when there is no Secret, otherwise those of an apply.
    pub fn patch(&mut self, manager: Manager, patch: &Value, now: Timestamp) -> Answer {
        let mut object = self.object.clone().ok_or(404_u16)?;
        let text = |name: &str| patch["metadata"][name].as_str();
        object.require(text("uid"), text("resourceVersion"))?;
        let after = patched(&object.values, patch);
        object.update(manager, after, now);
        self.publish(object)
    }

    /// A read, an edit and a replace by somebody; creates the Secret where there is none.
    pub fn update(&mut self, manager: Manager, now: Timestamp, edit: impl FnOnce(&mut Secret)) {
        let mut secret = self.get().unwrap_or_default();
        edit(&mut secret);
        let mut object = self.object.clone().unwrap_or_else(|| self.new_object(now));
        object.update(manager, values(&secret), now);
        let _ = self.publish(object);
    }

    /// Somebody sets `metadata.managedFields` to `[{}]`, or restores the Secret without it.
    pub fn reset_managed_fields(&mut self) {
        if let Some(mut object) = self.object.clone() {
            object.managers.clear();
            let _ = self.publish(object);
        }
    }

    /// Deletes the Secret.
    pub fn delete(&mut self) {
        self.version += u64::from(self.object.is_some());
        (self.object, self.secret) = (None, None);
    }

    /// Deletes the Secret if it is this one.
    #[allow(dead_code, reason = "not every test deletes so")]
    ///
    /// # Errors
    /// 404 when there is none, 409 when it is another.
    pub fn delete_only(&mut self, uid: Option<&str>, version: Option<&str>) -> Result<(), u16> {
        let object = self.object.as_ref().ok_or(404_u16)?;
        object.require(uid, version).map_err(|_| 409_u16)?;
        self.delete();
        Ok(())
    }

    fn new_object(&self, now: Timestamp) -> Object {
        Object {
            uid: format!("s-{}", self.version + 1),
            version: 0,
            created: now,
            values: BTreeMap::new(),
            managers: BTreeMap::new(),
        }
    }

    /// Makes a write visible, if it changed anything.
    fn publish(&mut self, mut object: Object) -> Answer {
        object.managers.retain(|_, managed| !managed.fields.is_empty());
        if !self.object.as_ref().is_some_and(|before| before.is_same(&object)) {
            self.version += 1;
            object.version = self.version;
            self.secret = Some(object.secret());
            self.object = Some(object);
        }
        self.secret.clone().ok_or(500)
    }
}

impl Object {
    fn is_same(&self, other: &Self) -> bool {
        let owners = |managers: &Managers| -> Vec<_> {
            managers.iter().map(|(manager, managed)| (*manager, managed.fields.clone())).collect()
        };
        self.values == other.values && owners(&self.managers) == owners(&other.managers)
    }

    /// The version is compared before the UID.
    fn require(&self, uid: Option<&str>, version: Option<&str>) -> Result<(), u16> {
        if version.is_some_and(|version| version != self.version.to_string()) {
            Err(409)
        } else if uid.is_some_and(|uid| uid != self.uid) {
            Err(422)
        } else {
            Ok(())
        }
    }

    fn apply(&mut self, manager: Manager, applied: &BTreeMap<Field, Value>, now: Timestamp) {
        if self.managers.is_empty() && self.version > 0 {
            let fields = self.values.keys().cloned().collect();
            self.managers.insert(BEFORE_FIRST_APPLY, Managed { time: now, fields });
        }
        let fields = applied.keys().cloned().collect();
        let before = self.managers.insert(manager, Managed { time: now, fields });
        for field in before.iter().flat_map(|managed| &managed.fields) {
            if !self.managers.values().any(|managed| managed.fields.contains(field)) {
                self.values.remove(field);
            }
        }
        self.set(manager, applied);
    }

    /// Has the object hold these values. What they change belongs to whoever changed it.
    fn update(&mut self, manager: Manager, after: BTreeMap<Field, Value>, now: Timestamp) {
        let before = std::mem::take(&mut self.values);
        let changed: BTreeMap<_, _> =
            after.iter().filter(|(field, value)| before.get(*field) != Some(value)).collect();
        let changed = changed.into_iter().map(|(field, value)| (field.clone(), value.clone())).collect();
        self.values = before;
        self.values.retain(|field, _| after.contains_key(field));
        for managed in self.managers.values_mut() {
            managed.fields.retain(|field| after.contains_key(field));
        }
        // Without a record only an apply begins a new one.
        if self.managers.is_empty() && self.version > 0 {
            self.values = after;
            return;
        }
        let fields = BTreeSet::new();
        let managed = self.managers.entry(manager).or_insert(Managed { time: now, fields });
        managed.fields.extend(BTreeMap::keys(&changed).cloned());
        self.set(manager, &changed);
    }

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
        let managers = self
            .managers
            .iter()
            .map(|(manager, managed)| managed_fields(*manager, managed.time, &managed.fields));
        let mut secret = object(&self.values);
        for (name, value) in [
            ("name", json!("report")),
            ("namespace", json!("team-a")),
            ("uid", json!(self.uid)),
            ("resourceVersion", json!(self.version.to_string())),
            ("creationTimestamp", json!(self.created)),
            ("managedFields", managers.collect()),
        ] {
            secret["metadata"][name] = value;
        }
        serde_json::from_value(secret).unwrap()
    }
}
