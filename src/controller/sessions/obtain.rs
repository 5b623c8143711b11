//! Gets a session for the URL of an object, from memory, or says why there is none.

use std::sync::Arc;

use jiff::Timestamp;

use super::volumes::is_volume;
use super::{FoundSession, SessionFailure, WantedSession};
use crate::controller::context::Context;
use crate::controller::reconcile::error::{Failure, is_code};
use crate::crd::SignerKind;
use crate::domain::finish::SESSION_WAIT;
use crate::domain::reason::FailureReason;
use crate::domain::session::{
    IdentitySource, ServiceAccountIdentity, SessionKey, SessionNeed, SessionOwner, SessionSource,
};
use crate::domain::signer::ParsedSigner;
use crate::domain::status::Problem;
use crate::domain::{Credentials, Owner, Request};
use crate::runtime::Key;

const QUEUED: &str = "a session is being requested, and the STS or other requests take long";

/// What a session is wanted for.
pub struct SessionWish<'a> {
    /// The object.
    pub owner: &'a Owner,
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
    let Some(spec) = &request.credentials.session else { return Err(Failure::Outdated) };
    let object = Key::new(&owner.namespace, &owner.name);
    let source = find_source(ctx, request, base.as_deref()).await?;
    let for_volume = is_volume(&object).then_some(now);
    note_account_failure(ctx, request, signer, source.as_ref().err(), for_volume);
    let source = match source {
        Ok(source) => source,
        Err(failure) => return Ok(Err(failure.problem(request))),
    };
    let session_owner = session_owner(request, signer, &owner.namespace);
    // A session that many namespaces share must not wait behind those of the first that asks.
    let flow = match (&session_owner, signer) {
        (SessionOwner::Signer(uid), Some(signer))
            if signer.id.kind == SignerKind::ClusterSigner && spec.policy.is_none() =>
        {
            uid.clone()
        }
        _ => owner.namespace.clone(),
    };
    let (key, ca_bundle) = SessionKey::new(source, (**spec).clone(), session_owner);
    let wanted = WantedSession { key: Arc::new(key), base, ca_bundle: ca_bundle.map(Arc::from), flow };
    match ctx.sessions.find(&object, wanted, need, now) {
        FoundSession::Ready(credentials) => Ok(Ok(Arc::new(credentials))),
        FoundSession::Failed(failure) => Ok(Err(failure.problem(request))),
        FoundSession::Pending(since) if now.duration_since(since).as_secs() >= i64::from(SESSION_WAIT) => {
            Ok(Err(Problem::retried(FailureReason::CredentialsUnavailable, QUEUED.to_owned())))
        }
        FoundSession::Pending(_) => Err(Failure::AwaitingSession),
    }
}

/// What the session begins with. The caller has read the access key `base`, if the source is a Secret.
async fn find_source(
    ctx: &Context,
    request: &Request,
    base: Option<&Credentials>,
) -> Result<Result<SessionSource, SessionFailure>, Failure> {
    let namespace = &request.credentials.namespace;
    match (&request.credentials.source, base) {
        (IdentitySource::Secret(reference), Some(base)) => {
            Ok(Ok(SessionSource::secret(namespace, &reference.name, base)))
        }
        (IdentitySource::Secret(_), None) => Err(Failure::Outdated),
        (IdentitySource::WebIdentity(identity), _) => find_account(ctx, namespace, identity).await,
        (IdentitySource::Ambient, _) => Ok(Ok(SessionSource::Ambient)),
    }
}

/// Who may share the session.
fn session_owner(request: &Request, signer: Option<&ParsedSigner>, namespace: &str) -> SessionOwner {
    let namespace = namespace.to_owned();
    match signer {
        None => SessionOwner::Namespace(namespace),
        Some(signer) if request.credentials.source.is_of_requester() => {
            SessionOwner::Requester { signer: signer.uid.clone(), namespace }
        }
        Some(signer) => SessionOwner::Signer(signer.uid.clone()),
    }
}

/// Notes for the status of a signer whether its ServiceAccount can be used.
fn note_account_failure(
    ctx: &Context,
    request: &Request,
    signer: Option<&ParsedSigner>,
    failure: Option<&SessionFailure>,
    for_volume: Option<Timestamp>,
) {
    if let Some(signer) = signer.filter(|_| !request.credentials.source.is_of_requester())
        && ctx.sessions.note_account_failure(signer, failure, for_volume)
    {
        ctx.signers.wake();
    }
}

/// The ServiceAccount of a request, if it exists and permits the role.
async fn find_account(
    ctx: &Context,
    namespace: &str,
    identity: &ServiceAccountIdentity,
) -> Result<Result<SessionSource, SessionFailure>, Failure> {
    let ServiceAccountIdentity { name, role_arn, audience, .. } = identity;
    let read = ctx.sessions.accounts.get(ctx, &Key::new(namespace, name)).await;
    let cached = match read.map_err(|error| Failure::api(format!("read ServiceAccount {name:?}"), error)) {
        Ok(cached) => cached,
        Err(Failure::Api { source, .. }) if is_code(&source, 403) => {
            return Ok(Err(SessionFailure::unreadable(name)));
        }
        Err(failure @ Failure::Api { .. }) => {
            return Ok(Err(SessionFailure::Api { why: failure.to_string() }));
        }
        Err(failure) => return Err(failure),
    };
    let Some(cached) = cached else { return Ok(Err(SessionFailure::NoAccount { account: name.clone() })) };
    if let Err(failure) = cached.require(name, role_arn.as_deref()) {
        return Ok(Err(failure));
    }
    Ok(Ok(SessionSource::ServiceAccount {
        namespace: namespace.to_owned(),
        name: name.clone(),
        uid: cached.uid.clone(),
        audience: audience.clone(),
        role_arn: role_arn.clone(),
    }))
}
