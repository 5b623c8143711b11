//! Why there is no session, in words for whoever reads the conditions.

use crate::controller::reconcile::error::Failure;
use crate::domain::Request;
use crate::domain::reason::FailureReason;
use crate::domain::session::SessionSource;
use crate::domain::status::Problem;
use crate::sts::StsFailure;

/// Why there is no session.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SessionFailure {
    /// The ServiceAccount does not exist.
    #[error(
        "ServiceAccount {account:?} does not exist: create it, or correct credentials.webIdentity.serviceAccountRef.name"
    )]
    NoAccount {
        /// Name of the ServiceAccount.
        account: String,
    },
    /// The ServiceAccount does not permit that its token is exchanged.
    #[error(
        "ServiceAccount {account:?} does not permit {role}: add it to its annotation presign.dev/role-arns"
    )]
    NoConsent {
        /// Name of the ServiceAccount.
        account: String,
        /// The role, as a part of a sentence.
        role: String,
    },
    /// The API server would accept the token, so that it must not be sent to an STS.
    #[error(
        "the API server accepts tokens with the audience {audience:?}, so the operator sends none to an STS: use another audience"
    )]
    Audience { audience: String },
    /// The API server issued no token.
    #[error(
        "the API server issues no token of ServiceAccount {account:?} ({why}): ask the administrator of the operator to permit it (chart value webIdentity)"
    )]
    NoToken {
        /// Name of the ServiceAccount.
        account: String,
        /// What the API server answered, in words.
        why: String,
    },
    /// The API server could not be asked.
    #[error("the API server cannot be asked for a session: {why}")]
    Api {
        /// What went wrong.
        why: String,
    },
    /// The STS issued no session.
    #[error("{failure}{advice}")]
    Sts {
        /// What the STS said.
        failure: StsFailure,
        /// What to check, as the end of the sentence.
        advice: String,
    },
    /// The session ends too soon to sign with it.
    #[error("the STS issues sessions that end within seconds: check the clocks of the node and of the STS")]
    TooShort,
    /// Too many requests of one namespace wait, each with certificates of its own.
    #[error(
        "more than 200 requests of this namespace wait for an STS, each with another caBundle: use one caBundle for one STS"
    )]
    TooManyCertificates,
    /// The CSI volumes of a namespace need too many different sessions.
    #[error(
        "the CSI volumes of this namespace need more than 4,000 different sessions: use a signer whose session.narrowTo is Namespace"
    )]
    TooManyVolumes,
    /// Another process leads now.
    #[error("another process leads")]
    NotLeading,
    /// A bug in the operator.
    #[error(
        "a bug in the operator stopped the request of a session: report it with the line from the operator's log"
    )]
    Bug,
}

impl SessionFailure {
    /// The failure of a ServiceAccount that the operator may not read.
    pub(super) fn unreadable(account: &str) -> Self {
        let why = "it forbids the operator to read it".to_owned();
        Self::NoToken { account: account.to_owned(), why }
    }

    /// The failure of a read of a ServiceAccount.
    pub(super) fn of_account(account: &str, error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if status.code == 403 => Self::unreadable(account),
            _ => Self::of_api(error),
        }
    }

    /// The failure of a request for a token.
    pub(super) fn of_token(account: &str, error: kube::Error) -> Self {
        let account = account.to_owned();
        match &error {
            kube::Error::Api(status) if status.code == 404 => Self::NoAccount { account },
            kube::Error::Api(status) if status.code == 403 => {
                Self::NoToken { account, why: "it answered 403 Forbidden".to_owned() }
            }
            kube::Error::Api(status) if matches!(status.code, 400 | 422) => {
                Self::NoToken { account, why: format!("it answered {}", status.code) }
            }
            _ => Self::of_api(error),
        }
    }

    /// The failure of the check whether the API server accepts a token.
    pub(super) fn of_review(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if status.code == 403 => Self::Api {
                why: "it forbids the operator to create tokenreviews, so that a token cannot be checked before it is sent (chart value webIdentity)".to_owned(),
            },
            _ => Self::of_api(error),
        }
    }

    fn of_api(error: kube::Error) -> Self {
        match Failure::api("ask for a session", error) {
            Failure::NotLeading(_) => Self::NotLeading,
            failure => Self::Api { why: failure.to_string() },
        }
    }

    /// The failure of an STS that was given a token or a key of this source.
    pub(super) fn of_sts(failure: StsFailure, source: &SessionSource) -> Self {
        let advice = failure.advice().map(|advice| format!(": {advice}")).unwrap_or_default();
        let subject = match source {
            SessionSource::ServiceAccount { namespace, name, audience, .. } if !failure.is_temporary() => {
                format!(" (subject system:serviceaccount:{namespace}:{name}, audience {audience})")
            }
            _ => String::new(),
        };
        Self::Sts { failure, advice: format!("{advice}{subject}") }
    }

    /// The reason that the conditions show.
    #[must_use]
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::NoAccount { .. } => FailureReason::CredentialsNotFound,
            Self::NoConsent { .. } | Self::Audience { .. } | Self::NoToken { .. } => {
                FailureReason::CredentialsDenied
            }
            Self::Api { .. }
            | Self::TooShort
            | Self::TooManyCertificates
            | Self::TooManyVolumes
            | Self::NotLeading => FailureReason::CredentialsUnavailable,
            Self::Sts { failure, .. } if failure.is_temporary() => FailureReason::CredentialsUnavailable,
            Self::Sts { .. } => FailureReason::CredentialsDenied,
            Self::Bug => FailureReason::InternalError,
        }
    }

    /// The failure as the conditions of an object show it. What is wrong with the credentials of a signer
    /// concerns only its owner.
    pub(super) fn problem(&self, request: &Request) -> Problem {
        let credentials = &request.credentials;
        let is_of_requester = credentials.source.is_of_requester();
        let message = match &credentials.signer {
            Some(signer) if !is_of_requester && self.reason() == FailureReason::CredentialsUnavailable => {
                format!("no session of {signer} can be had now: it is tried again; its status says more")
            }
            Some(signer) if !is_of_requester => {
                format!("no session of {signer} can be had: its status says why; ask its owner")
            }
            _ => self.to_string(),
        };
        Problem::retried(self.reason(), message)
    }
}
