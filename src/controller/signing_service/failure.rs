//! Why a request is not answered with URLs: the status, the metric and the words.

use hyper::StatusCode;

use crate::domain::reason::FailureReason;
use crate::domain::status::Problem;
use crate::domain::volume::{SigningRefusal, VolumeFailure, VolumeReason};

/// How a request ended, as metrics have it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, strum::IntoStaticStr, strum::VariantArray)]
pub enum SigningResult {
    /// The URLs were signed.
    Signed,
    /// The request is not valid.
    Invalid,
    /// The token is not that of a pod that runs.
    Unauthenticated,
    /// The ServiceAccount may not use the signer.
    Forbidden,
    /// The signer or the operator does not permit it.
    NotPermitted,
    /// There is no such signer for the namespace.
    SignerNotFound,
    /// The credentials of the signer cannot be used.
    CredentialsFailed,
    /// The node or the namespace asks too often.
    RateLimited,
    /// The API server or the STS could not be asked, or the operator has just started.
    Unavailable,
    /// A bug in the operator.
    InternalError,
}

impl SigningResult {
    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Signed => StatusCode::OK,
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::NotPermitted | Self::CredentialsFailed => StatusCode::FORBIDDEN,
            Self::SignerNotFound => StatusCode::NOT_FOUND,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::InternalError => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether another attempt can help although nobody changes anything.
    fn is_temporary(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::InternalError)
    }
}

/// Why a request is not answered with URLs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SigningFailure {
    pub result: SigningResult,
    pub failure: VolumeFailure,
}

impl SigningFailure {
    pub fn new(result: SigningResult, message: impl Into<String>) -> Self {
        let reason = match result {
            SigningResult::Invalid => VolumeReason::InvalidAttributes,
            SigningResult::Unauthenticated | SigningResult::Forbidden | SigningResult::NotPermitted => {
                VolumeReason::NotPermitted
            }
            SigningResult::SignerNotFound => VolumeReason::NotPermitted,
            SigningResult::CredentialsFailed => VolumeReason::CredentialsInvalid,
            SigningResult::RateLimited | SigningResult::Unavailable => VolumeReason::CredentialsUnavailable,
            SigningResult::Signed | SigningResult::InternalError => VolumeReason::InternalError,
        };
        Self::with_reason(result, reason, &message.into())
    }

    fn with_reason(result: SigningResult, reason: VolumeReason, message: &str) -> Self {
        let failure = VolumeFailure::of_spec(reason, message);
        Self { result, failure: VolumeFailure { is_temporary: result.is_temporary(), ..failure } }
    }

    /// What the reconcile of a `PresignedUrl` of the same spec would report.
    pub fn of_problem(problem: &Problem) -> Self {
        use SigningResult::{CredentialsFailed, Invalid, NotPermitted, SignerNotFound, Unavailable};
        let (result, reason) = match problem.reason {
            FailureReason::InvalidSpec => (Invalid, VolumeReason::InvalidAttributes),
            FailureReason::SigningFailed => (Invalid, VolumeReason::SigningFailed),
            FailureReason::NotPermitted => (NotPermitted, VolumeReason::NotPermitted),
            FailureReason::SignerNotFound => (SignerNotFound, VolumeReason::NotPermitted),
            FailureReason::CredentialsNotFound | FailureReason::CredentialsInvalid => {
                (CredentialsFailed, VolumeReason::CredentialsInvalid)
            }
            FailureReason::CredentialsExpired => (CredentialsFailed, VolumeReason::CredentialsExpired),
            FailureReason::CredentialsDenied => (CredentialsFailed, VolumeReason::CredentialsDenied),
            FailureReason::CredentialsUnavailable | FailureReason::ApiError => {
                (Unavailable, VolumeReason::CredentialsUnavailable)
            }
            _ => (SigningResult::InternalError, VolumeReason::InternalError),
        };
        Self::with_reason(result, reason, &problem.message)
    }

    /// The same fault, for one of several URLs.
    pub fn of_url(mut self, name: &str) -> Self {
        if !name.is_empty() {
            self.failure.message = format!("URL {name:?}: {}", self.failure.message);
        }
        self
    }
}

impl From<SigningFailure> for SigningRefusal {
    fn from(failure: SigningFailure) -> Self {
        failure.failure.into()
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;

    #[test]
    fn only_429_and_503_are_worth_another_attempt() {
        for result in SigningResult::VARIANTS {
            let failure = SigningFailure::new(*result, "spec.key: no");
            let is_temporary = matches!(result.status().as_u16(), 429 | 503);
            assert_eq!(SigningRefusal::from(failure).is_temporary, is_temporary, "{result:?}");
        }
        for reason in FailureReason::VARIANTS {
            let problem = Problem::new(*reason, "spec.key: no".to_owned());
            let failure = SigningFailure::of_problem(&problem).of_url("in");
            let is_temporary = matches!(failure.result.status().as_u16(), 429 | 503);
            assert_eq!(failure.failure.is_temporary, is_temporary, "{reason:?}");
            assert_eq!(failure.failure.message, "URL \"in\": volumeAttributes.key: no");
        }
    }
}
