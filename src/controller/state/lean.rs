//! The `PresignedUrl` as the watch parses it: only the fields that are used, and no parse error.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::ObjectMeta;
use kube::{Resource, ResourceExt as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::crd::names::ANNOTATION_RENEW;
use crate::crd::{PresignedUrl, PresignedUrlSpec, PresignedUrlStatus};
use crate::domain::Owner;
use crate::domain::history::Inputs;
use crate::domain::request::MAX_RENEW;

/// A `PresignedUrl` without the fields that the operator does not use: managed fields, labels, and all
/// annotations but one. A spec that cannot be parsed is kept as a value, so that one invalid object
/// cannot stop the watch for the others.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = "PresignedUrl")]
pub struct LeanPresignedUrl {
    /// Name, namespace, UID, versions, deletion timestamp and the renew annotation.
    #[serde(deserialize_with = "lean_metadata")]
    pub metadata: ObjectMeta,
    /// The spec, or why it is missing here.
    #[serde(default = "no_spec", deserialize_with = "readable_spec")]
    pub spec: Result<PresignedUrlSpec, NoSpec>,
    /// The last reported status; empty when it cannot be parsed.
    #[serde(default, deserialize_with = "readable_status")]
    pub status: PresignedUrlStatus,
}

/// Why there is no spec.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoSpec {
    /// The spec cannot be parsed, for this reason.
    Unreadable(String),
    /// The spec is too large for the cache and has to be read from the API server.
    NotKept,
}

impl LeanPresignedUrl {
    /// The owner of the Secret: namespace, name and UID of this object.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner {
            namespace: self.namespace().unwrap_or_default(),
            name: self.name_any(),
            uid: self.uid().to_owned(),
        }
    }

    /// The UID of the object.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The inputs of a reconcile, with the credentials at this resource version.
    #[must_use]
    pub fn inputs(&self, credentials: u64) -> Inputs {
        let renew = self.renew().map(Into::into);
        Inputs { generation: self.metadata.generation, renew, credentials, sessions: 0, signer: None }
    }

    /// The token that asks for one renewal.
    #[must_use]
    pub fn renew(&self) -> Option<&str> {
        self.annotations().get(ANNOTATION_RENEW).map(String::as_str)
    }

    /// Whether the object is being deleted, so that nothing may be written for it.
    #[must_use]
    pub fn is_being_deleted(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// The reference to the object that an event carries.
    #[must_use]
    pub fn reference(&self) -> ObjectReference {
        self.object_ref(&())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeanMetadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    deletion_timestamp: Option<Time>,
    #[serde(default)]
    annotations: RenewAnnotation,
}

#[derive(Default, Deserialize)]
struct RenewAnnotation {
    #[serde(rename = "presign.dev/renew")]
    renew: Option<String>,
}

fn lean_metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let lean = LeanMetadata::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: lean.name,
        namespace: lean.namespace,
        uid: lean.uid,
        resource_version: lean.resource_version,
        generation: lean.generation,
        deletion_timestamp: lean.deletion_timestamp,
        annotations: lean
            .annotations
            .renew
            // A token that is too long is cut, to a length that still shows that it is too long.
            .map(|token| token.chars().take(MAX_RENEW + 1).collect())
            .map(|token| BTreeMap::from([(ANNOTATION_RENEW.to_owned(), token)])),
        ..ObjectMeta::default()
    })
}

fn no_spec() -> Result<PresignedUrlSpec, NoSpec> {
    Err(NoSpec::Unreadable("spec is missing: add it".to_owned()))
}

fn readable_spec<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Result<PresignedUrlSpec, NoSpec>, D::Error> {
    let spec = Value::deserialize(deserializer)?;
    // The message of the parser can quote the whole spec.
    let said = |error: serde_json::Error| error.to_string().chars().take(256).collect::<String>();
    Ok(serde_json::from_value(spec)
        .map_err(|error| NoSpec::Unreadable(format!("spec cannot be read: {}", said(error)))))
}

fn readable_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PresignedUrlStatus, D::Error> {
    let status = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(status).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(object: Value) -> LeanPresignedUrl {
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn keeps_only_what_is_read() {
        let object = read(serde_json::json!({
            "metadata": {
                "name": "a", "namespace": "n", "uid": "u", "generation": 2, "labels": {"x": "y"},
                "annotations": {"presign.dev/renew": "t", "other": "z"}, "managedFields": [{}],
            },
            "spec": {"bucket": "b", "key": "k", "s3": {"region": "r", "credentials": {"secretRef": {"name": "c"}}}},
        }));
        assert_eq!(object.renew(), Some("t"));
        assert_eq!(object.annotations().len(), 1);
        assert!(object.metadata.labels.is_none() && object.metadata.managed_fields.is_none());
        assert_eq!(object.spec.unwrap().bucket, "b");
    }

    #[test]
    fn of_a_token_that_is_too_long_no_more_is_kept_than_shows_that() {
        for (length, kept) in [(128, 128), (129, 129), (250_000, 129)] {
            let annotations = serde_json::json!({"presign.dev/renew": "ä".repeat(length)});
            let object = read(serde_json::json!({"metadata": {"annotations": annotations}}));
            assert_eq!(object.renew().unwrap().chars().count(), kept);
        }
    }

    #[test]
    fn what_is_said_of_a_spec_has_an_end() {
        let spec = serde_json::json!("x".repeat(100_000));
        let object = read(serde_json::json!({"metadata": {"name": "a"}, "spec": spec}));
        let Err(NoSpec::Unreadable(why)) = object.spec else { panic!("{:?}", object.spec) };
        assert!(why.len() < 400, "{why}");
    }

    #[test]
    fn what_cannot_be_read_is_a_value() {
        for spec in [serde_json::json!(7), serde_json::json!({"bucket": []}), Value::Null] {
            let object = read(serde_json::json!({"metadata": {"name": "a"}, "spec": spec, "status": 5}));
            let Err(NoSpec::Unreadable(why)) = object.spec else { panic!("{:?}", object.spec) };
            assert!(why.starts_with("spec cannot be read"));
            assert_eq!(object.status, PresignedUrlStatus::default());
        }
        assert!(read(serde_json::json!({"metadata": {"name": "a"}})).spec.is_err());
    }
}
