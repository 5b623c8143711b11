//! The failures that can end a reconcile early, and the condition that each of them leads to.

use kube::core::response::StatusSummary;

use crate::domain::credentials::InvalidCredentials;
use crate::domain::finish::Interruption;
use crate::domain::limits::NotPermitted;
use crate::domain::reason::FailureReason;
use crate::domain::signer::SignerId;
use crate::domain::status::Problem;
use crate::runtime::{Key, NotLeading, Overloaded};
use crate::s3::PresignError;

/// Why a reconcile ended early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The spec asks for something that the limits of the operator do not permit.
    #[error(transparent)]
    NotPermitted(#[from] NotPermitted),
    /// The spec cannot be parsed.
    #[error("{0}")]
    UnreadableSpec(String),
    /// The credentials Secret does not exist.
    #[error(
        "Secret {secret:?} with the credentials does not exist in this namespace: create it, or correct spec.s3.credentials.secretRef.name"
    )]
    CredentialsNotFound {
        /// Name of the Secret.
        secret: String,
    },
    /// A signer has no usable credentials. What is wrong with them concerns only its owner.
    #[error("the credentials of {signer} {}: its status says why; ask its owner", credentials_fault(*reason))]
    SignerCredentials {
        signer: SignerId,
        /// Whether they are missing or not valid.
        reason: FailureReason,
    },
    /// The credentials of a signer cannot be read. The answer of the API server concerns only its owner.
    #[error("the credentials of {signer} cannot be read: ask its owner")]
    SignerUnreadable { signer: SignerId },
    /// The credentials Secret holds no usable access key.
    #[error(transparent)]
    CredentialsInvalid(#[from] InvalidCredentials),
    /// The signer did not sign the URL.
    #[error("the URL cannot be signed: {0}")]
    Signing(#[from] PresignError),
    /// A request to the API server failed.
    #[error("cannot {action}: {}", public_text(source))]
    Api {
        /// What the request was to do, and to which object.
        action: String,
        /// The error that the client returned.
        source: Box<kube::Error>,
    },
    /// What the plan was made from has changed: reconcile again soon.
    #[error("the Secret or the signer changed meanwhile")]
    Outdated,
    /// A session was asked for, and wakes the object when it is there.
    #[error("a session is being requested")]
    AwaitingSession,
    /// The object changed before its status was written.
    #[error("the PresignedUrl changed meanwhile")]
    Superseded,
    /// The object is deleted or being deleted: nothing is written for it.
    #[error("the PresignedUrl is being deleted")]
    Gone,
    /// The reconcile panicked, which is a bug in the operator.
    #[error(
        "a bug in the operator stopped the reconcile of this object: report it with the line from the operator's log"
    )]
    Panicked,
    /// The API server is overloaded, and asks for a pause of all requests.
    #[error("the API server is too busy")]
    Overloaded {
        /// How long the API server asks clients to wait, in seconds.
        retry_after: Option<u32>,
    },
    /// The namespace is being deleted, so nothing can be created in it.
    #[error("the namespace is being deleted")]
    NamespaceTerminating,
    /// Another process holds the lease; this one writes nothing.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
}

impl Failure {
    /// Classifies a failure to read a Secret.
    #[must_use]
    pub fn reading(secret: &Key, source: kube::Error) -> Self {
        Self::api(format!("read Secret {:?}", secret.name()), source)
    }

    /// Classifies a failed request to the API server; `action` says what the request was to do.
    #[must_use]
    pub fn api(action: impl Into<String>, source: kube::Error) -> Self {
        if is_namespace_terminating(&source) {
            return Self::NamespaceTerminating;
        }
        if NotLeading::is_cause_of(&source) {
            return Self::NotLeading(NotLeading);
        }
        if let kube::Error::Service(error) = &source
            && let Some(overloaded) = error.downcast_ref::<Overloaded>()
        {
            let seconds = u32::try_from(overloaded.pause.as_secs()).unwrap_or(u32::MAX);
            return Self::Overloaded { retry_after: Some(seconds) };
        }
        Self::Api { action: action.into(), source: Box::new(source) }
    }

    /// The failure as the conditions show it.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let reason = match self {
            // The signer refuses these for good, so a retry cannot succeed.
            Self::UnreadableSpec(_)
            | Self::Signing(
                PresignError::AccessPointRegion { .. }
                | PresignError::TooLong { .. }
                | PresignError::Rewritten,
            ) => FailureReason::InvalidSpec,
            Self::NotPermitted(_) => FailureReason::NotPermitted,
            Self::CredentialsNotFound { .. } => FailureReason::CredentialsNotFound,
            Self::SignerCredentials { reason, .. } => *reason,
            Self::CredentialsInvalid(_) => FailureReason::CredentialsInvalid,
            Self::Signing(_) => FailureReason::SigningFailed,
            Self::Panicked => FailureReason::InternalError,
            Self::Api { .. }
            | Self::SignerUnreadable { .. }
            | Self::Outdated
            | Self::AwaitingSession
            | Self::Superseded
            | Self::Gone
            | Self::Overloaded { .. }
            | Self::NamespaceTerminating
            | Self::NotLeading(_) => FailureReason::ApiError,
        };
        Problem::new(reason, self.to_string())
    }

    /// How this failure interrupts the plan.
    #[must_use]
    pub fn interruption(&self) -> Interruption {
        match self {
            Self::Outdated => Interruption::Outdated,
            Self::Superseded => Interruption::Superseded,
            Self::Overloaded { retry_after } => Interruption::Overloaded { retry_after: *retry_after },
            Self::NotLeading(_) => Interruption::LostLease,
            Self::AwaitingSession => Interruption::AwaitingSession,
            Self::NamespaceTerminating | Self::Gone => Interruption::Gone,
            _ => Interruption::Failed { problem: self.problem(), retry_after: self.retry_after() },
        }
    }

    /// The failure of a create; a 409 becomes `Outdated`, because that Secret is gone by now.
    #[must_use]
    pub fn or_outdated(self) -> Self {
        match self {
            Self::Api { source, .. } if is_code(&source, 409) => Self::Outdated,
            failure => failure,
        }
    }

    /// Whether a create that failed like this may have been carried out, or may have failed because a
    /// Secret exists: quota and webhooks answer before the API server answers `AlreadyExists`.
    #[must_use]
    pub fn may_have_been_carried_out(&self) -> bool {
        let Self::Api { source, .. } = self else { return false };
        match source.as_ref() {
            kube::Error::Api(status) => matches!(status.code, 403 | 409) || status.code >= 500,
            _ => true,
        }
    }

    /// Whether nobody knows if a write that failed like this was carried out.
    #[must_use]
    pub fn leaves_open(&self) -> bool {
        let Self::Api { source, .. } = self else { return false };
        !matches!(source.as_ref(), kube::Error::Api(status) if status.code < 500)
    }

    /// How long the answer of the API server asks clients to wait, in seconds.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => status
                    .details
                    .as_ref()
                    .map(|details| details.retry_after_seconds)
                    .filter(|after| *after > 0),
                _ => None,
            },
            _ => None,
        }
    }
}

fn credentials_fault(reason: FailureReason) -> &'static str {
    if reason == FailureReason::CredentialsNotFound { "do not exist" } else { "cannot be used" }
}

/// The longest part of an answer that is shown, in characters.
const MAX_SAID: usize = 1024;

/// The answer of the API server as text for users, without anything it may quote from a Secret.
fn public_text(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => {
            // These marks show a signed URL, or a URL in base64 as Secrets hold it.
            let quotes = ["X-Amz-", "aHR0c"].iter().any(|mark| status.message.contains(mark));
            let said = if quotes || status.message.is_empty() { &status.reason } else { &status.message };
            // The message of a webhook has no limit, but the message of a condition has one.
            let said: String = said.chars().take(MAX_SAID).collect();
            format!("the API server answered {} {said}", status.code)
        }
        kube::Error::Service(error) if error.is::<crate::runtime::client::DeadlineExceeded>() => {
            "the API server did not answer in time".to_owned()
        }
        kube::Error::SerdeError(_) => "the API server's answer could not be read".to_owned(),
        _ => "the API server could not be reached".to_owned(),
    }
}

fn is_namespace_terminating(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.code == 403
        && status.status == Some(StatusSummary::Failure)
        && status
            .details
            .iter()
            .flat_map(|details| &details.causes)
            .any(|c| c.reason == "NamespaceTerminating")
}

/// Whether an answer is an API status with this code.
#[must_use]
pub fn is_code(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}
