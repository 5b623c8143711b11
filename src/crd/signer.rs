//! `Signer` and `ClusterSigner`: the credentials of a platform, and who may use them for what.
//!
//! Both have nearly the same fields. A `ClusterSigner` serves the namespaces that it names, with credentials
//! from one namespace of the operator; a `Signer` serves its own namespace.
#![allow(clippy::duplicated_attributes, reason = "several printcolumn(...) share keys by design")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::connection::S3Connection;
use super::signer_policy::SignerPolicy;
use super::{credentials_rules, schema, signer_rules};

/// A store with its credentials, for the PresignedUrls of the same namespace.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "presign.dev",
    version = "v1alpha1",
    kind = "Signer",
    plural = "signers",
    singular = "signer",
    namespaced,
    status = "SignerStatus",
    derive = "PartialEq",
    doc = "Signer holds the connection to a store and its credentials, for the PresignedUrls of its own namespace whose spec.signerRef names it.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the signer can sign"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Reason of the Ready condition"
    ),
    printcolumn(
        name = "Allowed",
        type_ = "integer",
        json_path = ".status.allowed",
        description = "PresignedUrls that the policy allows"
    ),
    printcolumn(
        name = "Denied",
        type_ = "integer",
        json_path = ".status.denied",
        description = "PresignedUrls that the policy denies"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = credentials_rules::SOURCE_ONE,
    validation = credentials_rules::ROLE_PLAIN,
    validation = credentials_rules::NARROW_SIGNER,
)]
pub struct SignerSpec {
    /// The store, and the credentials from a Secret of the same namespace.
    pub s3: S3Connection,
    /// Your statement that the credentials can only write, so that an upload URL cannot be used to
    /// copy another object. It permits PUT and POST where `s3.unsignedHeaders` is Honoured. Default:
    /// false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_only_key: Option<bool>,
    /// What the PresignedUrls may ask for. Default: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<SignerPolicy>,
}

/// A store with its credentials, for the PresignedUrls of many namespaces.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "presign.dev",
    version = "v1alpha1",
    kind = "ClusterSigner",
    plural = "clustersigners",
    singular = "clustersigner",
    status = "SignerStatus",
    derive = "PartialEq",
    doc = "ClusterSigner holds the connection to a store and its credentials, for the PresignedUrls of the namespaces that it allows. A platform team owns it; application teams name it in spec.signerRef of their PresignedUrls and never see the credentials.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether the signer can sign"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Reason of the Ready condition"
    ),
    printcolumn(
        name = "Allowed",
        type_ = "integer",
        json_path = ".status.allowed",
        description = "PresignedUrls that the policy allows"
    ),
    printcolumn(
        name = "Denied",
        type_ = "integer",
        json_path = ".status.denied",
        description = "PresignedUrls that the policy denies"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = credentials_rules::SOURCE_ONE_CLUSTER,
    validation = credentials_rules::ROLE_REQUESTER,
    validation = credentials_rules::CHAIN_AMBIENT,
)]
pub struct ClusterSignerSpec {
    /// The store, and the credentials from a Secret of the signer namespace: the namespace of the
    /// operator, unless its flag `--signer-namespace` names another one.
    pub s3: S3Connection,
    /// Your statement that the credentials can only write, so that an upload URL cannot be used to
    /// copy another object. It permits PUT and POST where `s3.unsignedHeaders` is Honoured. Default:
    /// false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_only_key: Option<bool>,
    /// The namespaces whose PresignedUrls may use this signer. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,
    /// What the PresignedUrls may ask for.
    pub policy: SignerPolicy,
}

/// The namespaces whose PresignedUrls may use a ClusterSigner.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = signer_rules::NAMESPACES_NAMES,
    validation = signer_rules::NAMESPACES_SELECTOR,
    validation = signer_rules::NAMESPACES_VALUES,
)]
pub struct AllowedNamespaces {
    /// How the namespaces are chosen. Names: by a list of names. Selector: by their labels. All: every
    /// namespace.
    pub from: NamespacesFrom,
    /// The names of the namespaces, with `from: Names`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::namespace_names")]
    pub names: Option<Vec<String>>,
    /// The labels of the namespaces, with `from: Selector`. Whoever may label a namespace can then
    /// use the signer. The operator needs permission to watch namespaces (chart value
    /// `signers.namespaceSelectors`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub selector: Option<LabelSelector>,
}

/// How namespaces are chosen. Names: by a list of names. Selector: by their labels. All: every
/// namespace.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum NamespacesFrom {
    /// By a list of names.
    Names,
    /// By their labels.
    Selector,
    /// Every namespace.
    All,
}

/// What the operator last saw. Written at most once in 30 seconds.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignerStatus {
    /// The generation of the spec that this status describes; -1 before the first reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: whether the signer can sign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// How many PresignedUrls use this signer and are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<i64>,
    /// How many PresignedUrls name this signer and are denied. With `enforcement: Audit`, those that
    /// would be denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<i64>,
}
