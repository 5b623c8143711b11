//! Everything that can end a reconcile early, and what each means for the conditions.

use kube::core::response::StatusSummary;

use crate::domain::credentials::InvalidCredentials;
use crate::domain::finish::Interruption;
use crate::domain::limits::NotPermitted;
use crate::domain::reason::FailureReason;
use crate::domain::request::InvalidSpec;
use crate::domain::status::Problem;
use crate::runtime::{NotLeading, Overloaded};
use crate::s3::PresignError;

/// Why a reconcile ended without the URL that was due.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The spec breaks a rule.
    #[error(transparent)]
    InvalidSpec(#[from] InvalidSpec),
    /// The spec asks for what is not permitted.
    #[error(transparent)]
    NotPermitted(#[from] NotPermitted),
    /// The spec does not have the form of one.
    #[error("{0}")]
    UnreadableSpec(String),
    /// The credentials Secret is not there.
    #[error(
        "Secret {secret:?} with the credentials does not exist in this namespace: create it, or correct spec.s3.credentialsSecretRef.name"
    )]
    CredentialsNotFound {
        /// Name of the Secret.
        secret: String,
    },
    /// The credentials Secret holds no usable access key.
    #[error(transparent)]
    CredentialsInvalid(#[from] InvalidCredentials),
    /// The signer refused.
    #[error("the URL cannot be signed: {0}")]
    Signing(#[from] PresignError),
    /// The API server or the way to it.
    #[error("cannot {action}: {}", public_text(source))]
    Api {
        /// What was being done to which object.
        action: String,
        /// What came back.
        source: Box<kube::Error>,
    },
    /// What was decided on is no longer how things stand: look again, now.
    #[error("the Secret changed meanwhile")]
    Outdated,
    /// The object changed before its status was written.
    #[error("the PresignedUrl changed meanwhile")]
    Superseded,
    /// The object is gone or going: nothing is written for it.
    #[error("the PresignedUrl is being deleted")]
    Gone,
    /// A bug.
    #[error("the operator failed on this object, which is a bug: its log says where; report it")]
    Panicked,
    /// The API server is too busy for anybody.
    #[error("the API server is too busy")]
    Overloaded {
        /// How long it asks to be left alone, in seconds.
        retry_after: Option<u32>,
    },
    /// The namespace is on its way out, and nothing may be written.
    #[error("the namespace is being deleted")]
    NamespaceTerminating,
    /// Another process leads; this one leaves everything as it is.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
}

impl Failure {
    /// An answer of the API server to `action`, as what it means.
    #[must_use]
    pub fn api(action: impl Into<String>, source: kube::Error) -> Self {
        if is_namespace_terminating(&source) {
            return Self::NamespaceTerminating;
        }
        if matches!(&source, kube::Error::Service(error) if error.is::<NotLeading>()) {
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

    /// The failure as the conditions tell it.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let reason = match self {
            // What the signer refuses for good comes out the same however often it is tried.
            Self::InvalidSpec(_)
            | Self::UnreadableSpec(_)
            | Self::Signing(
                PresignError::AccessPointRegion { .. }
                | PresignError::TooLong { .. }
                | PresignError::Rewritten,
            ) => FailureReason::InvalidSpec,
            Self::NotPermitted(_) => FailureReason::NotPermitted,
            Self::CredentialsNotFound { .. } => FailureReason::CredentialsNotFound,
            Self::CredentialsInvalid(_) => FailureReason::CredentialsInvalid,
            Self::Signing(_) => FailureReason::SigningFailed,
            Self::Panicked => FailureReason::InternalError,
            Self::Api { .. }
            | Self::Outdated
            | Self::Superseded
            | Self::Gone
            | Self::Overloaded { .. }
            | Self::NamespaceTerminating
            | Self::NotLeading(_) => FailureReason::ApiError,
        };
        Problem::new(reason, self.to_string())
    }

    /// What it means for the plan that it ended.
    #[must_use]
    pub fn interruption(&self) -> Interruption {
        match self {
            Self::Outdated => Interruption::Outdated,
            Self::Superseded => Interruption::Superseded,
            Self::Overloaded { retry_after } => Interruption::Overloaded { retry_after: *retry_after },
            Self::NotLeading(_) => Interruption::LostLease,
            Self::NamespaceTerminating | Self::Gone => Interruption::Gone,
            _ => Interruption::Failed { problem: self.problem(), retry_after: self.retry_after() },
        }
    }

    /// The same for a create; one that met a Secret that went meanwhile is outdated.
    #[must_use]
    pub fn or_outdated(self) -> Self {
        match self {
            Self::Api { source, .. } if is_code(&source, 409) => Self::Outdated,
            failure => failure,
        }
    }

    /// Whether a create that failed like this may have been carried out, or stands against
    /// something that is there: quota and webhooks answer before `AlreadyExists` does.
    #[must_use]
    pub fn may_have_been_carried_out(&self) -> bool {
        let Self::Api { source, .. } = self else { return false };
        match source.as_ref() {
            kube::Error::Api(status) => matches!(status.code, 403 | 409) || status.code >= 500,
            _ => true,
        }
    }

    /// How long the API server asks to be left alone, in seconds.
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

/// How much of an answer is told, in characters.
const MOST_SAID: usize = 1024;

/// What the API server said, for people; without what it may have quoted from a Secret.
fn public_text(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => {
            // A URL, or a URL in base64 as Secrets hold it.
            let quotes = ["X-Amz-", "aHR0c"].iter().any(|mark| status.message.contains(mark));
            let said = if quotes || status.message.is_empty() { &status.reason } else { &status.message };
            // What a webhook says has no end, and a condition has one.
            let said: String = said.chars().take(MOST_SAID).collect();
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
