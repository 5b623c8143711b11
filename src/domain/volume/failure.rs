//! Why the URLs of a volume cannot be signed or written.

use crate::domain::reason::FailureReason;
use crate::domain::status::Problem;

use super::wording::in_attributes;

/// The closed list of reasons, which metrics have as labels.
#[derive(
    Clone,
    Copy,
    Debug,
    Eq,
    Hash,
    PartialEq,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
pub enum VolumeReason {
    /// An attribute is not valid.
    InvalidAttributes,
    /// The administrator does not permit it.
    NotPermitted,
    /// The Secret holds no usable access key.
    CredentialsInvalid,
    /// The credentials have expired or are about to.
    CredentialsExpired,
    /// The STS issued no session, because it does not permit that, or the kubelet sends no token.
    CredentialsDenied,
    /// The STS could not be reached or was overloaded.
    CredentialsUnavailable,
    /// The signing service of the operator could not be reached, or was overloaded.
    SigningServiceUnavailable,
    /// The signer did not sign a URL.
    SigningFailed,
    /// The folder of the volume could not be mounted, written or unmounted.
    VolumeError,
    /// A bug in the driver.
    InternalError,
}

/// Why the URLs of a volume cannot be signed or written. Users read the text in the events of the pod.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct VolumeFailure {
    /// The reason, as metrics have it.
    pub reason: VolumeReason,
    /// What is wrong, and what to do.
    pub message: String,
    /// Whether another attempt can help although nobody changes anything.
    pub is_temporary: bool,
}

impl VolumeFailure {
    /// A failure that lasts until somebody changes something.
    #[must_use]
    pub fn lasting(reason: VolumeReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), is_temporary: false }
    }

    /// A failure that may end by itself.
    #[must_use]
    pub fn temporary(reason: VolumeReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), is_temporary: true }
    }

    /// What cannot happen, but did.
    #[must_use]
    pub fn bug() -> Self {
        Self::lasting(VolumeReason::InternalError, "a bug in the driver: report it with its log")
    }

    /// An attribute that is not valid.
    pub(super) fn attribute(name: &str, problem: &str) -> Self {
        Self::lasting(VolumeReason::InvalidAttributes, format!("volumeAttributes.{name}: {problem}"))
    }

    /// What is wrong with a `PresignedUrl` of the same fields, in the words of a volume.
    #[must_use]
    pub fn of_spec(reason: VolumeReason, message: &str) -> Self {
        Self::lasting(reason, in_attributes(message))
    }

    /// The same failure, for one of several URLs.
    pub(super) fn of_url(self, name: &str) -> Self {
        if name.is_empty() {
            return self;
        }
        Self { message: format!("URL {name:?}: {}", self.message), ..self }
    }
}

impl From<Problem> for VolumeFailure {
    fn from(problem: Problem) -> Self {
        let reason = match problem.reason {
            FailureReason::InvalidSpec => VolumeReason::InvalidAttributes,
            FailureReason::NotPermitted => VolumeReason::NotPermitted,
            // A spec without a signer has no other problem.
            _ => VolumeReason::InternalError,
        };
        Self::of_spec(reason, &problem.message)
    }
}
