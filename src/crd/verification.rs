//! Whether the store is asked about a URL, and what it answered.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether the operator asks the store if it accepts the URL. The condition `Verified` shows the answer and
/// what to change. None: it does not ask. Once: it asks about the first URL, and about the next URL after a
/// change of the spec that changes the URL, other credentials, or a new value of the annotation
/// `presign.dev/renew`; until the store responds, it asks about each new URL. Always: it asks about each new
/// URL. The operator reads at most the first byte of an object, and writes nothing: for PUT, POST and DELETE
/// it sends a signed listing of no objects with the same credentials. It never delays a URL. The
/// administrator of the operator has to permit it (`--verify`, chart value `verify.enabled`). Default: None.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Verify {
    /// The store is not asked.
    #[default]
    None,
    /// The store is asked about the first URL, and after a change of the spec or of the credentials.
    Once,
    /// The store is asked about each new URL.
    Always,
}

/// The last result of a request to the store, and when it came.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// When the store responded.
    pub time: Time,
    /// The result; the condition `Verified` says what to change.
    ///
    /// Accepted: the store accepts the request. CredentialsAccepted: the store accepts the access key and the
    /// signature of a listing. This is the result for PUT, POST and DELETE, because the operator does not try
    /// the upload or deletion itself. AccessDenied: the credentials lack a permission. UnknownKey: the store
    /// does not know the access key. SignatureDoesNotMatch: the secret access key is wrong, or a proxy
    /// changes requests. WrongRegion: the bucket is in another region. NoSuchBucket: the bucket does not
    /// exist. NoSuchKey: the object does not exist. ClockSkewed: the clocks of the operator and of the store
    /// differ. TokenRefused: the session token is refused. Rejected: an error that is none of the others.
    /// Unreachable: there was no usable response.
    pub result: VerifyResult,
}

/// What the store answered.
#[derive(
    Clone,
    Copy,
    Debug,
    Deserialize,
    Eq,
    Hash,
    JsonSchema,
    PartialEq,
    Serialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
pub enum VerifyResult {
    /// The store accepts the request.
    Accepted,
    /// The store accepts the access key and the signature.
    CredentialsAccepted,
    /// The credentials lack a permission.
    AccessDenied,
    /// The store does not know the access key.
    UnknownKey,
    /// The secret access key is wrong, or a proxy changes requests.
    SignatureDoesNotMatch,
    /// The region is wrong.
    WrongRegion,
    /// The bucket does not exist.
    NoSuchBucket,
    /// The object does not exist.
    NoSuchKey,
    /// The clocks of the operator and of the store differ.
    ClockSkewed,
    /// The session token is refused.
    TokenRefused,
    /// The store answered with another error.
    Rejected,
    /// There was no usable answer.
    Unreachable,
}

impl VerifyResult {
    /// Whether the store answered that the URL does not work.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        match self {
            Self::Accepted | Self::CredentialsAccepted | Self::Unreachable => false,
            Self::AccessDenied
            | Self::UnknownKey
            | Self::SignatureDoesNotMatch
            | Self::WrongRegion
            | Self::NoSuchBucket
            | Self::NoSuchKey
            | Self::ClockSkewed
            | Self::TokenRefused
            | Self::Rejected => true,
        }
    }
}
