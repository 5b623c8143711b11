//! The reference from a `PresignedUrl` to its signer.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// A reference to a signer.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::SIGNER_NAME)]
pub struct SignerRef {
    /// Kind of the signer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<SignerKind>,
    /// Name of the signer.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Kind of a signer. Signer: of the same namespace. ClusterSigner: of the cluster, for the namespaces
/// that it allows. Default: Signer.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    JsonSchema,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
    strum::Display,
)]
pub enum SignerKind {
    /// Of the same namespace.
    #[default]
    Signer,
    /// Of the cluster.
    ClusterSigner,
}
