//! The closed lists of reasons: in conditions, events and metric labels alike.

/// Why a new URL is issued; the first that applies wins.
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
    /// Somebody changed the stored URL, or a wrong clock signed it in the future.
    Drifted,
    /// The renew annotation asks for one.
    Requested,
    /// The renewal time has come.
    RenewalDue,
}

/// Why there is no new URL.
#[derive(
    Clone, Copy, Debug, Eq, Hash, PartialEq, strum::Display, strum::IntoStaticStr, strum::VariantArray,
)]
pub enum FailureReason {
    /// The spec cannot be acted on.
    InvalidSpec,
    /// The spec asks for what whoever runs the operator does not permit.
    NotPermitted,
    /// The credentials Secret does not exist.
    CredentialsNotFound,
    /// The credentials Secret holds no usable access key.
    CredentialsInvalid,
    /// The credentials have expired or are about to.
    CredentialsExpired,
    /// The target Secret belongs to somebody else.
    SecretConflict,
    /// The signer refused or failed.
    SigningFailed,
    /// The API server refused or failed.
    ApiError,
    /// The operator itself failed: a bug.
    InternalError,
}

/// What has to happen before a failure ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Disposition {
    /// A person changes the spec or the thing named: `Stalled`.
    UserMustAct,
    /// The thing named appears or changes.
    Waiting,
    /// It is tried again.
    Retry,
}

impl FailureReason {
    /// The class that decides the conditions and when to look again.
    #[must_use]
    pub fn disposition(self) -> Disposition {
        match self {
            Self::InvalidSpec | Self::NotPermitted | Self::SecretConflict => Disposition::UserMustAct,
            Self::CredentialsNotFound | Self::CredentialsInvalid | Self::CredentialsExpired => {
                Disposition::Waiting
            }
            Self::SigningFailed | Self::ApiError | Self::InternalError => Disposition::Retry,
        }
    }
}
