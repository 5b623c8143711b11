//! Which fields of a Secret are ours, as the API server tracks them for server-side apply.
//!
//! That record is what tells our own label from one that somebody added, and a URL that
//! we wrote from one that somebody put in its place. Nothing of the kind needs to be
//! stored by us.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::Value;

use crate::crd::names::{LABEL_MANAGED, OPERATOR};

/// The fields of a Secret that our last apply owns.
#[derive(Debug, Default)]
pub(super) struct OwnedFields {
    pub(super) labels: BTreeSet<String>,
    pub(super) annotations: BTreeSet<String>,
    pub(super) data: BTreeSet<String>,
    /// UIDs in owner references.
    pub(super) owners: BTreeSet<String>,
    /// Somebody else's entry dates from the Secret's creation, owns its type and not our
    /// label: a Secret that appeared between our look and our write.
    pub(super) is_created_by_another: bool,
}

impl OwnedFields {
    pub(super) fn read(metadata: &ObjectMeta) -> Self {
        let entries = metadata.managed_fields.as_deref().unwrap_or_default();
        let mut owned = Self::default();
        for fields in entries.iter().filter(|entry| is_ours(entry)).filter_map(fields) {
            owned.labels.extend(keys(fields, &["f:metadata", "f:labels"]));
            owned.annotations.extend(keys(fields, &["f:metadata", "f:annotations"]));
            owned.data.extend(keys(fields, &["f:data"]));
            owned.owners.extend(owners(fields));
        }
        let created = metadata.creation_timestamp.as_ref();
        owned.is_created_by_another = entries
            .iter()
            .filter(|entry| !is_ours(entry) && entry.time.as_ref() == created && created.is_some())
            .filter_map(fields)
            .any(|fields| {
                fields.get("f:type").is_some()
                    && !keys(fields, &["f:metadata", "f:labels"]).any(|label| label == LABEL_MANAGED)
            });
        owned
    }
}

/// Whether any field of the object is owned by a manager other than us.
#[must_use]
pub fn has_other_managers(metadata: &ObjectMeta) -> bool {
    metadata.managed_fields.iter().flatten().any(|entry| !is_ours(entry))
}

fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(OPERATOR) && entry.operation.as_deref() == Some("Apply")
}

fn fields(entry: &ManagedFieldsEntry) -> Option<&Value> {
    entry.fields_v1.as_ref().map(|fields| &fields.0)
}

/// The names below `path` in a `fieldsV1` tree, without their `f:` prefix.
fn keys<'a>(fields: &'a Value, path: &[&str]) -> impl Iterator<Item = String> + 'a {
    below(fields, path).filter_map(|key| key.strip_prefix("f:")).map(str::to_owned)
}

/// The UIDs in a `fieldsV1` tree: owner references are told apart as `k:{"uid":"..."}`.
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
