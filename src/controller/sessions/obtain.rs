//! Gets a session for the URL of an object, from memory, and says in words why there is none.

use std::sync::Arc;

use jiff::Timestamp;

use super::{FoundSession, WantedSession};
use crate::controller::context::Context;
use crate::controller::reconcile::error::{Failure, is_code};
use crate::crd::SignerKind;
use crate::domain::reason::FailureReason;
use crate::domain::session::{
    IdentitySource, ServiceAccountIdentity, SessionKey, SessionNeed, SessionOwner, SessionSource,
};
use crate::domain::signer::ParsedSigner;
use crate::domain::status::Problem;
use crate::domain::{Credentials, Owner, Request};
use crate::runtime::Key;
use crate::sts::StsFailure;

/// Why there is no session.
#[derive(Clone, Debug, thiserror::Error)]
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
    Audience {
        /// The audience.
        audience: String,
    },
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
            Self::Api { .. } | Self::TooShort | Self::NotLeading => FailureReason::CredentialsUnavailable,
            Self::Sts { failure, .. } if failure.is_temporary() => FailureReason::CredentialsUnavailable,
            Self::Sts { .. } => FailureReason::CredentialsDenied,
            Self::Bug => FailureReason::InternalError,
        }
    }

    /// The failure as the conditions of an object show it. What is wrong with the credentials of a signer
    /// concerns only its owner.
    fn problem(&self, request: &Request) -> Problem {
        let credentials = &request.credentials;
        let is_of_requester = is_of_requester(request);
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

/// After how many seconds an object reports that it waits for a session.
const SAID_AFTER: i64 = 15;
const QUEUED: &str = "a session is being requested, and the STS or other requests take long";

/// What a session is wanted for.
pub struct SessionWish<'a> {
    /// The object.
    pub owner: &'a Owner,
    /// Its request.
    pub request: &'a Request,
    /// The signer, if it has one.
    pub signer: Option<&'a ParsedSigner>,
    /// The access key that the session begins with, if it begins with one.
    pub base: Option<Arc<Credentials>>,
    /// What the URL needs of the session.
    pub need: SessionNeed,
    /// The current time.
    pub now: Timestamp,
}

/// A session, or why there is none.
///
/// # Errors
/// [`Failure::AwaitingSession`] when it was asked for, so that the object is woken; otherwise the failure of
/// a read.
pub async fn obtain(
    ctx: &Context,
    wish: SessionWish<'_>,
) -> Result<Result<Arc<Credentials>, Problem>, Failure> {
    let SessionWish { owner, request, signer, base, need, now } = wish;
    let Some(terms) = &request.credentials.session else { return Err(Failure::Outdated) };
    let namespace = &request.credentials.namespace;
    let source = match (&request.credentials.source, &base) {
        (IdentitySource::Secret(reference), Some(base)) => {
            SessionSource::secret(namespace, &reference.name, base)
        }
        // The caller reads it before.
        (IdentitySource::Secret(_), None) => return Err(Failure::Outdated),
        (IdentitySource::WebIdentity(identity), _) => match account(ctx, namespace, identity).await? {
            Ok(source) => source,
            Err(failure) => {
                note_account(ctx, request, signer, Some(&failure));
                return Ok(Err(failure.problem(request)));
            }
        },
        (IdentitySource::Ambient, _) => SessionSource::Ambient,
    };
    note_account(ctx, request, signer, None);
    let asker = owner.namespace.clone();
    let session_owner = match signer {
        None => SessionOwner::Namespace(asker),
        Some(signer) if is_of_requester(request) => {
            SessionOwner::Requester { signer: signer.uid.clone(), namespace: asker }
        }
        Some(signer) => SessionOwner::Signer(signer.uid.clone()),
    };
    // A session that many namespaces share must not wait behind those of the first that asks.
    let turn = match (&session_owner, signer) {
        (SessionOwner::Signer(uid), Some(signer))
            if signer.id.kind == SignerKind::ClusterSigner && terms.policy.is_none() =>
        {
            uid.clone()
        }
        _ => owner.namespace.clone(),
    };
    let (key, ca_bundle) = SessionKey::new(source, (**terms).clone(), session_owner);
    let key = Arc::new(key);
    let object = Key::new(&owner.namespace, &owner.name);
    match ctx.sessions.find(&object, WantedSession { key, base, ca_bundle, turn }, need, now) {
        FoundSession::Ready(credentials) => Ok(Ok(Arc::new(credentials))),
        FoundSession::Failed(failure) => Ok(Err(failure.problem(request))),
        FoundSession::Pending(since) if now.duration_since(since).as_secs() >= SAID_AFTER => {
            Ok(Err(Problem::retried(FailureReason::CredentialsUnavailable, QUEUED.to_owned())))
        }
        FoundSession::Pending(_) => Err(Failure::AwaitingSession),
    }
}

/// Whether a request uses a ServiceAccount of its own namespace.
fn is_of_requester(request: &Request) -> bool {
    matches!(&request.credentials.source, IdentitySource::WebIdentity(identity) if identity.is_of_requester)
}

/// Notes for the status of a signer whether its ServiceAccount can be used.
fn note_account(
    ctx: &Context,
    request: &Request,
    signer: Option<&ParsedSigner>,
    failure: Option<&SessionFailure>,
) {
    if let Some(signer) = signer.filter(|_| !is_of_requester(request))
        && ctx.sessions.note_account(&signer.uid, failure)
    {
        ctx.signers.wake();
    }
}

/// The ServiceAccount of a request, if it exists and permits the role.
async fn account(
    ctx: &Context,
    namespace: &str,
    identity: &ServiceAccountIdentity,
) -> Result<Result<SessionSource, SessionFailure>, Failure> {
    let ServiceAccountIdentity { name, role_arn, audience, .. } = identity;
    let read = ctx.sessions.accounts.get(ctx, &Key::new(namespace, name)).await;
    let known = match read.map_err(|error| Failure::api(format!("read ServiceAccount {name:?}"), error)) {
        Ok(known) => known,
        Err(Failure::Api { source, .. }) if is_code(&source, 403) => {
            let why = "it forbids the operator to read it".to_owned();
            return Ok(Err(SessionFailure::NoToken { account: name.clone(), why }));
        }
        Err(failure @ Failure::Api { .. }) => {
            return Ok(Err(SessionFailure::Api { why: failure.to_string() }));
        }
        Err(failure) => return Err(failure),
    };
    let Some(known) = known else { return Ok(Err(SessionFailure::NoAccount { account: name.clone() })) };
    if !known.permits(role_arn.as_deref()) {
        let role = role_arn.as_ref().map_or("every role (*)".to_owned(), |arn| format!("the role {arn:?}"));
        return Ok(Err(SessionFailure::NoConsent { account: name.clone(), role }));
    }
    Ok(Ok(SessionSource::ServiceAccount {
        namespace: namespace.to_owned(),
        name: name.clone(),
        uid: known.uid.clone(),
        audience: audience.clone(),
        role_arn: role_arn.clone(),
    }))
}
