//! Removes the fields that we rendered once and no longer render.
//!
//! An apply removes only the fields that it leaves out and that no other manager owns. After a restore,
//! a reset of `managedFields` or our own create, other entries own our fields too. One strategic-merge
//! patch then writes and removes in one step, so that a crash leaves nothing half done.

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::IssuedSecret;
use super::fields::{Field, OwnedFields, is_our_controller, present};

/// The fields of a stored Secret that have to be removed, but that an apply does not remove.
#[derive(Debug)]
pub struct Removal {
    labels: Vec<String>,
    annotations: Vec<String>,
    data: Vec<String>,
    owners: Vec<String>,
}

impl Removal {
    /// The fields to remove when an apply of `rendered` to `stored` would leave any of them behind;
    /// `None` when it would not.
    #[must_use]
    pub fn beside_apply(stored: &Secret, rendered: &IssuedSecret) -> Option<Self> {
        let owned = OwnedFields::read(&stored.metadata);
        let kept: Vec<Field<'_>> = present(rendered.secret()).collect();
        let is_controller = |uid: &str| {
            let mut owners = stored.metadata.owner_references.iter().flatten();
            owners.any(|owner| owner.uid == uid && is_our_controller(owner))
        };
        let is_ours = |field: &Field<'_>| {
            owned.is_removed(*field) || matches!(field, Field::Owner(uid) if is_controller(uid))
        };
        let gone: Vec<Field<'_>> =
            present(stored).filter(|field| !kept.contains(field) && is_ours(field)).collect();
        if gone.iter().all(|field| owned.is_ours_alone(*field)) {
            return None;
        }
        let names = |pick: fn(Field<'_>) -> Option<&str>| {
            gone.iter().filter_map(|field| pick(*field)).map(str::to_owned).collect()
        };
        Some(Self {
            labels: names(|field| if let Field::Label(name) = field { Some(name) } else { None }),
            annotations: names(|field| if let Field::Annotation(name) = field { Some(name) } else { None }),
            data: names(|field| if let Field::Data(name) = field { Some(name) } else { None }),
            owners: names(|field| if let Field::Owner(uid) = field { Some(uid) } else { None }),
        })
    }

    /// The rendered Secret as a strategic-merge patch that also removes these fields. The patch contains
    /// the URL.
    #[must_use]
    pub fn patch(&self, rendered: &Secret) -> Value {
        let mut patch = serde_json::to_value(rendered).unwrap_or_default();
        for (path, names) in [
            ("/metadata/labels", &self.labels),
            ("/metadata/annotations", &self.annotations),
            ("/data", &self.data),
        ] {
            if let Some(map) = patch.pointer_mut(path).and_then(Value::as_object_mut) {
                map.extend(names.iter().map(|name| (name.clone(), Value::Null)));
            }
        }
        let deletions = self.owners.iter().map(|uid| json!({"$patch": "delete", "uid": uid}));
        let metadata = patch["metadata"].as_object_mut();
        if let (Some(metadata), false) = (metadata, self.owners.is_empty()) {
            let before = metadata.remove("ownerReferences");
            let kept = before.and_then(|value| value.as_array().cloned()).unwrap_or_default();
            metadata.insert("ownerReferences".to_owned(), kept.into_iter().chain(deletions).collect());
        }
        patch
    }
}

#[cfg(test)]
mod tests;
