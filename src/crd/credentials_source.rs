//! Where the credentials of a connection come from: a Secret, or sessions that the operator gets itself.
//!
//! A part of `PresignedUrl`, `Signer` and `ClusterSigner`. `schema` removes what only a `ClusterSigner` has
//! from the other two.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::credentials_rules as rules;
use super::duration::DurationText;
use super::secret_ref::CredentialsSecretRef;

/// Where the credentials come from. Set exactly one source: `secretRef`, `webIdentity`, or, in a
/// ClusterSigner, `ambient`.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::SESSION_OF)]
pub struct CredentialsSource {
    /// The Secret that holds the access key. Without `keys` and `profile`, the operator looks for
    /// the usual key names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<CredentialsSecretRef>,
    /// A ServiceAccount whose token the operator exchanges for a session. No access key is stored
    /// anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_identity: Option<WebIdentity>,
    /// The operator's own AWS identity: web identity files, the container credentials endpoint (EKS Pod
    /// Identity, ECS), or instance metadata. Only in a ClusterSigner, and only if the operator runs with
    /// `--ambient-credentials`. Write `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambient: Option<AmbientCredentials>,
    /// A role that the operator assumes with the credentials of the source, to sign with a session of
    /// that role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumedRole>,
    /// The session to sign with. Only with `webIdentity` or `assumeRole`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionOptions>,
}

/// A ServiceAccount whose token the operator exchanges for a session (AssumeRoleWithWebIdentity).
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::ROLE_WEB_FORM,
    validation = rules::AUDIENCE_FORM,
)]
pub struct WebIdentity {
    /// The ServiceAccount. It must permit the role in its annotation `presign.dev/role-arns`: a list of
    /// role ARNs with commas between them, or `*`.
    pub service_account_ref: ServiceAccountRef,
    /// ARN of the role to assume. Some stores need none; then the annotation must be `*`. Example:
    /// `arn:aws:iam::123456789012:role/reports`.
    #[serde(default, rename = "roleARN", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub role_arn: Option<String>,
    /// Audience of the token, as the STS expects it. The operator must permit it
    /// (`--token-audiences`). Default: `sts.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub audience: Option<String>,
}

/// A reference to a ServiceAccount.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::ACCOUNT_NAME)]
pub struct ServiceAccountRef {
    /// Name of the ServiceAccount: in the namespace of the PresignedUrl or the Signer, or, for a
    /// ClusterSigner, in the namespace that `from` says.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Whose ServiceAccount it is. Signer: one of the signer namespace. Requester: one of the namespace
    /// of the PresignedUrl; `roleARN` must then contain `{namespace}`. With Requester the role decides
    /// what a namespace can do, not the policy of the signer, because a pod can call the STS itself.
    /// Default: Signer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ServiceAccountFrom>,
}

/// Whose ServiceAccount it is. Signer: one of the signer namespace. Requester: one of the namespace of the
/// PresignedUrl; `roleARN` must then contain `{namespace}`. With Requester the role decides what a
/// namespace can do, not the policy of the signer, because a pod can call the STS itself. Default: Signer.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ServiceAccountFrom {
    /// One of the signer namespace.
    #[default]
    Signer,
    /// One of the namespace of the `PresignedUrl`.
    Requester,
}

/// The operator's own AWS identity. It has no fields.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("maxProperties" = 0))]
pub struct AmbientCredentials {}

/// A role that is assumed with other credentials (AssumeRole).
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::ROLE_FORM,
    validation = rules::EXTERNAL_ID_FORM,
)]
pub struct AssumedRole {
    /// ARN of the role. Example: `arn:aws:iam::123456789012:role/reports`.
    #[serde(rename = "roleARN")]
    #[schemars(length(min = 1, max = 2048))]
    pub role_arn: String,
    /// External ID, if the trust policy of the role asks for one.
    #[serde(default, rename = "externalID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224))]
    pub external_id: Option<String>,
}

/// A session: short-lived credentials from an STS.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::SESSION_DURATION)]
pub struct SessionOptions {
    /// How long a session lasts, from `15m` to `12h`. The role must permit it. A URL expires no later
    /// than the session that signed it. Default: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<DurationText>,
    /// What the session permits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrow_to: Option<NarrowTo>,
    /// The STS. Default: that of AWS in the region of the connection. Required if `s3.endpoint` is set,
    /// so that no token goes to AWS by accident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sts: Option<StsOptions>,
}

/// What the session permits. Nothing: it is not narrowed, so it permits whatever the role does.
/// Namespace: the methods and keys that the policy of the signer allows for the namespace of the
/// PresignedUrl. Object: exactly the method and the object of the PresignedUrl, with one session for each
/// of them. Default: Namespace with the policy of a signer, otherwise Nothing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum NarrowTo {
    /// Whatever the role permits.
    Nothing,
    /// What the policy of the signer allows for the namespace.
    Namespace,
    /// The method and the object of the `PresignedUrl`.
    Object,
}

/// The STS that issues the sessions.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::STS_FORM,
    validation = rules::STS_REGION,
)]
pub struct StsOptions {
    /// Address of the STS. The operator must permit it (`--sts-endpoints`). Default: AWS. Example:
    /// `https://sts.store.example`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 1024))]
    pub endpoint: Option<String>,
    /// Region of the STS. Default: the region of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub region: Option<String>,
}
