//! The closed lists of reasons, which conditions, events and metric labels share.

/// Why a new URL is issued. If several reasons apply, the first one counts.
#[derive(
    Clone, Copy, Debug, Eq, Hash, PartialEq, strum::Display, strum::IntoStaticStr, strum::VariantArray,
)]
pub enum IssueReason {
    /// There is no Secret.
    Missing,
    /// The stored URL has expired.
    Expired,
    /// The stored URL is not the one that the spec asks for.
    SpecChanged,
    /// The stored URL was signed with other credentials.
    CredentialsChanged,
    /// Another client changed the stored URL, or it was signed with a clock that was ahead.
    Drifted,
    /// The renew annotation asks for a new URL.
    Requested,
    /// The renewal time has come.
    RenewalDue,
}

/// Why no new URL was issued.
#[derive(
    Clone, Copy, Debug, Eq, Hash, PartialEq, strum::Display, strum::IntoStaticStr, strum::VariantArray,
)]
pub enum FailureReason {
    /// The spec is not valid.
    InvalidSpec,
    /// The signer that the spec names does not exist, is not valid, or does not serve the namespace.
    SignerNotFound,
    /// The spec asks for something that the policy of its signer or the limits of the operator do not
    /// permit.
    NotPermitted,
    /// The credentials Secret does not exist.
    CredentialsNotFound,
    /// The credentials Secret holds no usable access key.
    CredentialsInvalid,
    /// The credentials have expired or are about to.
    CredentialsExpired,
    /// The STS issued no session, because it does not permit that, or the ServiceAccount does not.
    CredentialsDenied,
    /// The STS could not be reached or was overloaded.
    CredentialsUnavailable,
    /// The credentials changed, and the URL is not signed again, because it is signed only once.
    CredentialsChanged,
    /// The target Secret is foreign, immutable, or changed again and again by another client.
    SecretConflict,
    /// The signer did not sign the URL.
    SigningFailed,
    /// A request to the API server failed.
    ApiError,
    /// The reconcile panicked, which is a bug in the operator.
    InternalError,
}

/// What has to happen before a failure ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Disposition {
    /// A user has to change the spec or the named object. Sets the condition `Stalled`.
    UserMustAct,
    /// The named object has to appear or change.
    Waiting,
    /// The operator tries again after a backoff.
    Retry,
}

impl FailureReason {
    /// The disposition, which decides the conditions and the next reconcile.
    #[must_use]
    pub fn disposition(self) -> Disposition {
        match self {
            Self::InvalidSpec | Self::NotPermitted | Self::SecretConflict | Self::CredentialsChanged => {
                Disposition::UserMustAct
            }
            Self::SignerNotFound
            | Self::CredentialsNotFound
            | Self::CredentialsInvalid
            | Self::CredentialsExpired => Disposition::Waiting,
            // No watch shows that a role or an STS has changed.
            Self::CredentialsDenied
            | Self::CredentialsUnavailable
            | Self::SigningFailed
            | Self::ApiError
            | Self::InternalError => Disposition::Retry,
        }
    }
}
