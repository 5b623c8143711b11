//! The connection to a store: where it is and which credentials sign for it.
//!
//! A part of `PresignedUrl`, `Signer` and `ClusterSigner`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::credentials_source::CredentialsSource;
use super::{credentials_rules, rules};

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
    validation = credentials_rules::AWS_ENDPOINT,
    validation = credentials_rules::AWS_FIPS,
    validation = credentials_rules::CA_FORM,
    validation = credentials_rules::STS_NEEDED,
    validation = credentials_rules::ROLE_AWS,
    validation = credentials_rules::CHAIN_HOUR,
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
    /// Which addresses of AWS to use: dual-stack or FIPS. Only without `endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsOptions>,
    /// The certificates of private certificate authorities, as PEM, for the calls that the operator
    /// makes: to the STS, and to the store with `verify`. The certificates of the system also count. The callers of the URL need their
    /// own copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub ca_bundle: Option<String>,
    /// Whether the store acts on `x-amz-...` headers that are not part of the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsigned_headers: Option<UnsignedHeaders>,
    /// Where the credentials come from.
    pub credentials: CredentialsSource,
}

/// Where the bucket is in the URL. Auto: Path with an endpoint or a bucket name with dots, otherwise
/// VirtualHosted. Path: after the host, `https://host/bucket/key`. VirtualHosted: before the host,
/// `https://bucket.host/key`. BucketEndpoint: the host of the endpoint serves only this bucket, as your own
/// domain may do, `https://host/key`. The store must support VirtualHosted and BucketEndpoint: another store
/// takes the first part of the key for the bucket. Default: Auto.
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
/// with a policy therefore denies PUT and POST, unless `writeOnlyKey` is true. Write Refused only after you
/// tried it on your store. Default: Refused for AWS, Honoured with an endpoint.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum UnsignedHeaders {
    /// The store answers such a request with an error.
    Refused,
    /// The store acts on them.
    Honoured,
}

/// Which of the addresses of AWS to use, for the URL and for the STS.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AwsOptions {
    /// Whether to use the addresses that IPv6 clients reach too. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dual_stack: Option<bool>,
    /// Whether to use the addresses with FIPS 140 cryptography. Not every region has them. Default:
    /// false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fips: Option<bool>,
}
