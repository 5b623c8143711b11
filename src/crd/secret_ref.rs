//! A reference to a Secret with an access key, and which data keys hold it.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// A reference to the Secret that holds the access key.
#[derive(Clone, Debug, Deserialize, Eq, Hash, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::CREDENTIALS_NAME,
    validation = rules::CREDENTIALS_ONE,
    validation = rules::CREDENTIALS_PROFILE,
)]
pub struct CredentialsSecretRef {
    /// Name of the Secret: in the namespace of the PresignedUrl or the Signer, or, for a
    /// ClusterSigner, in the signer namespace of the operator.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The data keys of the access key, if they have other than the usual names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<CredentialsKeys>,
    /// The profile in a credentials file of the AWS tools that is stored in the Secret.
    /// Default: `default`, or the only profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub profile: Option<String>,
}

/// The data keys of the access key in the Secret.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::CREDENTIALS_BOTH,
    validation = rules::CREDENTIALS_KEYS,
)]
pub struct CredentialsKeys {
    /// Data key of the access key id. Set it together with `secretAccessKey`.
    #[serde(default, rename = "accessKeyID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub access_key_id: Option<String>,
    /// Data key of the secret access key. Set it together with `accessKeyID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_access_key: Option<String>,
    /// Data key of the session token of temporary credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub session_token: Option<String>,
    /// Data key of the time at which temporary credentials expire (RFC 3339 or Unix
    /// seconds). A URL that is signed with them expires no later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub expiration: Option<String>,
}
