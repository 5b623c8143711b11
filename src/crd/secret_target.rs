//! The Secret that a URL is written to.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{rules, schema};

/// The Secret that the URL is written to, always in the namespace of the PresignedUrl.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::SECRET_NAME,
    validation = rules::SECRET_KEY,
    validation = rules::SECRET_KEY_TAKEN,
    validation = rules::LABELS_OURS,
    validation = rules::LABELS_FORM,
    validation = rules::ANNOTATIONS_OURS,
    validation = rules::ANNOTATIONS_FORM,
)]
pub struct SecretTarget {
    /// Name of the Secret. It must not exist yet: the operator never changes a Secret that it does
    /// not own. Default: the name of the PresignedUrl.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// Data key that holds the URL, or the address of a form. It must not be `method`, `headers`,
    /// `expires-at`, `fields` or `form.json`, which the operator uses for other values. Default: `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub url_key: Option<String>,
    /// Labels for the Secret, in addition to those of the operator. At most 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_map")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations for the Secret, in addition to those of the operator. At most 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::annotation_map")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// What happens to the Secret when the PresignedUrl is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// What happens to the Secret when its PresignedUrl is deleted. Delete: it is deleted too. Retain:
/// it stays, with a URL that works until it expires. Default: Delete.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum DeletionPolicy {
    /// The Secret is deleted with the `PresignedUrl`.
    #[default]
    Delete,
    /// The Secret stays.
    Retain,
}
