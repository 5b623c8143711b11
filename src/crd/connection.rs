//! The connection to a store: where it is and which credentials sign for it.
//!
//! A part of `PresignedUrl`, `Signer` and `ClusterSigner`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// An S3-compatible store and the credentials to sign with.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::ENDPOINT_USERINFO,
    validation = rules::ENDPOINT_QUERY,
    validation = rules::ENDPOINT_FORM,
    validation = rules::REGION_BLANK,
    validation = rules::REGION_FORM,
    validation = rules::REGION_GLOBAL,
    validation = rules::REGION_AWS,
    validation = rules::STYLE_HOST,
    validation = rules::STYLE_ENDPOINT,
)]
pub struct S3Connection {
    /// Address at which the *callers* of the URL reach the store, because the host is part of the
    /// signature. Write `http://` or `https://`, a host, and optionally a port and a path prefix,
    /// without the bucket. Default: AWS, in the given region. Example:
    /// `https://us-west.s3.qencode.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 1024))]
    pub endpoint: Option<String>,
    /// Region to sign for. The operator never guesses it. Without an endpoint, the AWS region of
    /// the bucket. Stores without regions usually accept `us-east-1` or `auto`. Example:
    /// `us-west-2`.
    #[schemars(length(max = 64))]
    pub region: String,
    /// Where the bucket is in the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addressing_style: Option<AddressingStyle>,
    /// Whether the store acts on `x-amz-...` headers that are not part of the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsigned_headers: Option<UnsignedHeaders>,
    /// Where the credentials come from.
    pub credentials: CredentialsSource,
}

/// Where the bucket is in the URL. Auto: Path with an endpoint or a bucket name with dots,
/// otherwise VirtualHosted. Path: after the host, `https://host/bucket/key`. VirtualHosted: before
/// the host, `https://bucket.host/key`. BucketEndpoint: the host of the endpoint is the bucket, as
/// with your own domain, `https://host/key`. The store must support VirtualHosted and
/// BucketEndpoint: another store takes the first part of the key for the bucket. Default: Auto.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum AddressingStyle {
    /// Path with an endpoint or a bucket name with dots, otherwise `VirtualHosted`.
    #[default]
    Auto,
    /// `https://host/bucket/key`.
    Path,
    /// `https://bucket.host/key`.
    VirtualHosted,
    /// `https://host/key`.
    BucketEndpoint,
}

/// Whether the store acts on `x-amz-...` headers that are not part of the signature. It matters only
/// in a signer. Refused: it
/// answers such a request with an error, as AWS does. Honoured: it acts on them, so whoever has an
/// upload URL can add `x-amz-copy-source` and copy any object that the credentials can read. A signer
/// with a policy therefore denies PUT, unless `writeOnlyKey` is true. Write Refused only after you
/// tried it on your store. Default: Refused for AWS, Honoured with an endpoint.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum UnsignedHeaders {
    /// The store answers such a request with an error.
    Refused,
    /// The store acts on them.
    Honoured,
}

/// Where the credentials come from.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSource {
    /// The Secret that holds the access key. Without `keys` and `profile`, the operator looks for
    /// the usual key names.
    pub secret_ref: CredentialsSecretRef,
}

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
