//! What a `PresignedUrl` reports. A report only: the operator never reads it to decide
//! what it signs or writes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::verification::Verified;

/// Condition type: the Secret holds a URL that matches the spec and has not expired.
pub const READY: &str = "Ready";
/// Condition type: nothing will change until a person acts; absent otherwise.
pub const STALLED: &str = "Stalled";
/// Condition type: the policy of the signer allows the request; absent without a signer.
pub const PERMITTED: &str = "Permitted";
/// Condition type: a mounted Secret has time to arrive before the old URL expires.
pub const ROTATION_SAFE: &str = "RotationSafe";
/// Condition type: the store accepts the URL; absent with `verify: None`.
pub const VERIFIED: &str = "Verified";

/// The condition of a type, if it is there.
#[must_use]
pub fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// What the operator last saw and did. Never holds the URL, its query or a key.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PresignedUrlStatus {
    /// The generation of the spec that this status describes; -1 before the first reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Stalled, RotationSafe, Permitted and Verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The Secret that holds the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub secret_name: Option<String>,
    /// The address of the object, without any query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub location: Option<String>,
    /// When the stored URL was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_time: Option<Time>,
    /// When the stored URL expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_time: Option<Time>,
    /// When the next URL is issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_time: Option<Time>,
    /// What limits the lifetime of the stored URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_by: Option<LimitedBy>,
    /// The last `presign.dev/renew` token that led to a new URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub last_handled_renew: Option<String>,
    /// The last answer of the store to the question whether it accepts the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
}

/// What limits the lifetime of the stored URL. Requested: `expiresIn` of the spec.
/// Credentials: the expiration of the credentials. Signer: the longest lifetime that the policy of the
/// signer allows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum LimitedBy {
    /// The `expiresIn` of the spec.
    Requested,
    /// The expiration of the credentials.
    Credentials,
    /// The longest lifetime that the policy of the signer allows.
    Signer,
}
