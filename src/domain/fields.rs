//! Which fields of a Secret are ours, as the API server records them in `managedFields`.
//!
//! The record distinguishes a label that we wrote from one that another client added, and a URL that we
//! wrote from one that another client wrote over it. We need no record of our own.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};
use serde_json::Value;

use crate::crd::names::{
    DATA_EXPIRES_AT, DATA_FIELDS, DATA_FORM, DATA_HEADERS, DATA_METHOD, DATA_URL, GROUP, KIND, OPERATOR,
    RESERVED_PREFIX,
};

/// One field of a Secret for which `managedFields` records the owners.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Field<'a> {
    Label(&'a str),
    Annotation(&'a str),
    Data(&'a str),
    /// An owner reference, by its UID.
    Owner(&'a str),
}

/// A set of fields, by name.
#[derive(Debug, Default)]
pub(super) struct FieldSet {
    labels: BTreeSet<String>,
    annotations: BTreeSet<String>,
    data: BTreeSet<String>,
    owners: BTreeSet<String>,
}

impl FieldSet {
    pub(super) fn contains(&self, field: Field<'_>) -> bool {
        match field {
            Field::Label(name) => self.labels.contains(name),
            Field::Annotation(name) => self.annotations.contains(name),
            Field::Data(name) => self.data.contains(name),
            Field::Owner(uid) => self.owners.contains(uid),
        }
    }

    fn add(&mut self, fields: &Value) {
        self.labels.extend(keys(fields, &["f:metadata", "f:labels"]));
        self.annotations.extend(keys(fields, &["f:metadata", "f:annotations"]));
        self.data.extend(keys(fields, &["f:data"]));
        self.owners.extend(owners(fields));
    }
}

/// The owners of the fields of a Secret.
#[derive(Debug, Default)]
pub(super) struct OwnedFields {
    /// Fields that our last apply owns.
    applied: FieldSet,
    /// Fields that our other writes own: the create, and patches that removed something.
    updated: FieldSet,
    /// Fields that the apply of another client owns, which thereby declares them.
    declared: FieldSet,
    /// Fields that other writes of other clients own.
    others: FieldSet,
}

impl OwnedFields {
    pub(super) fn read(metadata: &ObjectMeta) -> Self {
        let mut owned = Self::default();
        for entry in metadata.managed_fields.iter().flatten() {
            let is_apply = entry.operation.as_deref() == Some("Apply");
            let set = match (entry.manager.as_deref() == Some(OPERATOR), is_apply) {
                (true, true) => &mut owned.applied,
                (true, false) => &mut owned.updated,
                (false, true) => &mut owned.declared,
                (false, false) => &mut owned.others,
            };
            if let Some(fields) = fields(entry) {
                set.add(fields);
            }
        }
        owned
    }

    /// Whether we wrote a field, and no other client has changed it since.
    pub(super) fn is_ours(&self, field: Field<'_>) -> bool {
        self.applied.contains(field) || (self.updated.contains(field) && !self.declared.contains(field))
    }

    /// Whether our apply alone owns a field, so that an apply without it removes it.
    pub(super) fn is_ours_alone(&self, field: Field<'_>) -> bool {
        let is_shared = [&self.updated, &self.declared, &self.others].iter().any(|set| set.contains(field));
        self.applied.contains(field) && !is_shared
    }

    /// Whether a field must be removed when it is not rendered. A field with our prefix or the name of
    /// one of our data keys is ours, whichever client wrote it. Any other label or annotation that the
    /// apply of another client declares belongs to that client.
    pub(super) fn is_removed(&self, field: Field<'_>) -> bool {
        is_reserved(field) || (self.is_ours(field) && !self.is_declared_metadata(field))
    }

    fn is_declared_metadata(&self, field: Field<'_>) -> bool {
        matches!(field, Field::Label(_) | Field::Annotation(_)) && self.declared.contains(field)
    }
}

/// Whether the name of a field alone makes it ours.
pub(super) fn is_reserved(field: Field<'_>) -> bool {
    match field {
        Field::Label(name) | Field::Annotation(name) => name.starts_with(RESERVED_PREFIX),
        Field::Data(name) => {
            let ours = [DATA_URL, DATA_METHOD, DATA_HEADERS, DATA_EXPIRES_AT, DATA_FIELDS, DATA_FORM];
            ours.contains(&name)
        }
        Field::Owner(_) => false,
    }
}

/// Whether an owner reference names a `PresignedUrl`.
pub(super) fn is_presigned_url(owner: &OwnerReference) -> bool {
    owner.kind == KIND && owner.api_version.split_once('/').is_some_and(|(group, _)| group == GROUP)
}

/// Whether an owner reference is one that we write. It is removed when it is not rendered, whichever
/// client `managedFields` records as its owner.
pub(super) fn is_our_controller(owner: &OwnerReference) -> bool {
    owner.controller == Some(true) && is_presigned_url(owner)
}

/// Every field of a Secret for which `managedFields` records the owners.
pub(super) fn present(secret: &Secret) -> impl Iterator<Item = Field<'_>> {
    let metadata = &secret.metadata;
    let labels = metadata.labels.iter().flatten().map(|(name, _)| Field::Label(name));
    let annotations = metadata.annotations.iter().flatten().map(|(name, _)| Field::Annotation(name));
    let data = secret.data.iter().flatten().map(|(name, _)| Field::Data(name));
    let owners = metadata.owner_references.iter().flatten().map(|owner| Field::Owner(&owner.uid));
    labels.chain(annotations).chain(data).chain(owners)
}

fn fields(entry: &ManagedFieldsEntry) -> Option<&Value> {
    entry.fields_v1.as_ref().map(|fields| &fields.0)
}

/// The names below `path` in a `fieldsV1` tree, without their `f:` prefix.
fn keys<'a>(fields: &'a Value, path: &[&str]) -> impl Iterator<Item = String> + 'a {
    below(fields, path).filter_map(|key| key.strip_prefix("f:")).map(str::to_owned)
}

/// The UIDs in a `fieldsV1` tree, where owner references have keys such as `k:{"uid":"..."}`.
fn owners(fields: &Value) -> impl Iterator<Item = String> + '_ {
    below(fields, &["f:metadata", "f:ownerReferences"])
        .filter_map(|key| serde_json::from_str::<Value>(key.strip_prefix("k:")?).ok())
        .filter_map(|key| key.get("uid")?.as_str().map(str::to_owned))
}

fn below<'a>(fields: &'a Value, path: &[&str]) -> impl Iterator<Item = &'a String> + 'a {
    path.iter()
        .try_fold(fields, |value, name| value.get(name))
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|map| map.keys())
}

#[cfg(test)]
mod tests;
