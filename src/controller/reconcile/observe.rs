//! Observes one object. Reads the caches first, and the API server when a cache holds nothing, or when
//! the safety net asks for a read.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::credentials::{find_session, read_credentials};
use super::error::Failure;
use super::resolve::resolve_object;
use super::target::{FoundTarget, find_target};
use crate::controller::context::Context;
use crate::controller::state::credentials::credentials_secret;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::state::signer_users::SignerAnswer;
use crate::domain::decision::comparable_validity;
use crate::domain::history::{Awaited, History, Inputs};
use crate::domain::plan::{Observation, Rendering, plan};
use crate::domain::reason::FailureReason;
use crate::domain::resolve::{Permission, Resolved};
use crate::domain::signer::ParsedSigner;
use crate::domain::status::Problem;
use crate::domain::stored::Content;
use crate::domain::{Credentials, IssuedSecret, Owner, Ownership, Request, Stored, render};
use crate::runtime::Key;

/// Everything that was observed about one object, with the values that `Observation` borrows.
pub struct Observed {
    /// Namespace, name and UID of the object.
    pub owner: Owner,
    /// Hash of the UID of the object, which spreads renewals.
    pub seed: u32,
    pub(super) now: jiff::Timestamp,
    pub(super) begun: Instant,
    pub(super) inputs: Inputs,
    pub(super) was_issued: bool,
    reported_expiration: Option<jiff::Timestamp>,
    pub(super) credentials_read: Option<Instant>,
    /// The access key that a session begins with.
    pub(super) base: Option<Arc<Credentials>>,
    pub(super) can_get_session: bool,
    pub(super) history: History,
    pub(super) signer: Option<Arc<ParsedSigner>>,
    resolved: Result<Arc<Resolved>, Problem>,
    target: Result<Option<Stored>, Problem>,
    pub(super) credentials: Result<Arc<Credentials>, Problem>,
    rendered: Result<Option<Rendered>, Problem>,
}

/// The stored Secret, rendered again at its own signing time.
struct Rendered {
    secret: IssuedSecret,
    content: Content,
    location: String,
}

/// Observes one object. What `reads` names is not taken from a cache; `found` is the
/// target as an earlier read in this reconcile found it.
///
/// # Errors
/// [`Failure::Overloaded`], because an overloaded API server is no fault of the object. Every other
/// failure is part of the observation.
pub async fn observe(
    ctx: &Context,
    key: &Key,
    object: &LeanPresignedUrl,
    history: &History,
    reads: Option<Awaited>,
    found: Option<FoundTarget>,
) -> Result<Observed, Failure> {
    let owner = object.owner();
    let (resolved, signer) = resolve_object(ctx, key, object, &owner);
    let mut observed = Observed {
        seed: seed(&owner.uid),
        now: ctx.clock.now(),
        begun: Instant::now(),
        inputs: Inputs {
            signer: signer.as_ref().map(|signer| Box::new((signer.uid.clone(), signer.generation))),
            sessions: ctx.sessions.count(key),
            ..object.inputs(0)
        },
        was_issued: object.status.signing_time.is_some(),
        reported_expiration: reported_expiration(ctx, key),
        credentials_read: None,
        base: None,
        can_get_session: false,
        history: history.clone(),
        signer,
        resolved,
        target: Ok(None),
        credentials: Err(not_read()),
        rendered: Ok(None),
        owner,
    };
    let resolved = observed.resolved.clone();
    if !resolved.as_ref().is_ok_and(|resolved| uses_session(resolved)) && ctx.sessions.forget(key) {
        ctx.signers.wake();
    }
    if !resolved.as_ref().is_ok_and(|resolved| resolved.permission.is_granted()) {
        ctx.verifications.withdraw(key);
    }
    let Ok(resolved) = resolved else { return Ok(observed) };
    let Resolved { request, permission } = &*resolved;
    depend(ctx, key, request, permission);
    if permission.is_granted() {
        read_credentials(ctx, &mut observed, request, reads == Some(Awaited::Credentials)).await?;
    }
    observed.target = match found {
        Some(found) => Ok(found),
        None => find_target(ctx, &observed, request, reads == Some(Awaited::Target)).await?,
    };
    observed.render(ctx, request);
    refresh(ctx, &mut observed, request).await?;
    find_session(ctx, &mut observed, request).await?;
    Ok(observed)
}

impl Observed {
    /// The input of [`plan`](crate::domain::plan::plan).
    #[must_use]
    pub fn observation(&self) -> Observation<'_> {
        Observation {
            now: self.now,
            owner: &self.owner,
            seed: self.seed,
            inputs: &self.inputs,
            was_issued: self.was_issued,
            reported_expiration: self.reported_expiration,
            request: self.resolved.as_deref().map_err(Clone::clone),
            target: self.target.as_ref().map(Option::as_ref).map_err(Clone::clone),
            credentials: self.credentials.as_deref().map_err(Clone::clone),
            can_get_session: self.can_get_session,
            rendered: match &self.rendered {
                Ok(rendered) => Ok(rendered.as_ref().map(Rendered::compared)),
                Err(problem) => Err(problem.clone()),
            },
            history: &self.history,
        }
    }

    /// The parsed spec; `None` when it is not valid or not permitted.
    #[must_use]
    pub fn request(&self) -> Option<&Request> {
        self.resolved.as_ref().ok().map(|resolved| &resolved.request)
    }

    /// The parsed spec with what its signer says, to be kept after this observation.
    #[must_use]
    pub fn resolved(&self) -> Option<Arc<Resolved>> {
        self.resolved.as_ref().ok().cloned()
    }

    /// The credentials; `None` when there are none to sign with.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_deref().ok()
    }

    /// The target Secret; `None` when there is none or it could not be read.
    #[must_use]
    pub fn stored(&self) -> Option<&Stored> {
        self.target.as_ref().ok()?.as_ref()
    }

    /// The Secret that a repair writes.
    #[must_use]
    pub fn rendered(&self) -> Option<&IssuedSecret> {
        Some(&self.rendered.as_ref().ok()?.as_ref()?.secret)
    }

    /// Renders the stored Secret again at its own signing time. Without credentials it is signed with a
    /// stand-in, so that everything but key id, token and signature can be compared.
    fn render(&mut self, ctx: &Context, request: &Request) {
        self.rendered = Ok(None);
        let Ok(Some(stored)) = &self.target else { return };
        // A namespace that the signer does not serve is told nothing of it.
        let is_served =
            |resolved: &Arc<Resolved>| SignerAnswer::from(&resolved.permission) != SignerAnswer::Unserved;
        if !self.resolved.as_ref().is_ok_and(is_served) {
            return;
        }
        let (Some(url), Ownership::Ours) = (stored.content.url, Ownership::of(stored, &self.owner)) else {
            return;
        };
        let stand_in = Credentials::stand_in();
        // Another session may have signed the stored URL.
        let comparable = self.credentials().filter(|_| !request.credentials.has_session());
        let credentials = comparable.unwrap_or(&stand_in);
        let validity = comparable_validity(url.validity, stored.requested, request, comparable);
        self.rendered = match ctx.signer.presign(request, credentials, validity) {
            Ok(signed) => {
                let secret = render(request, &signed, &self.owner, stored.handled_renew.as_deref());
                let location = signed.location().to_owned();
                Ok(Some(Rendered { content: secret.content(), secret, location }))
            }
            Err(error) => Err(Failure::from(error).problem()),
        };
    }
}

impl Rendered {
    fn compared(&self) -> Rendering<'_> {
        Rendering { content: &self.content, location: &self.location }
    }
}

/// When the URL expires that was reported last, if one was.
pub fn reported_expiration(ctx: &Context, key: &Key) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(ctx.objects.times(key)?.expiration).ok()
}

/// The problem that stands for the credentials until they are read.
fn not_read() -> Problem {
    Problem::new(FailureReason::InvalidSpec, "the credentials were not looked at".to_owned())
}

/// Whether a request may need a session now.
fn uses_session(resolved: &Resolved) -> bool {
    let Resolved { request, permission } = resolved;
    request.credentials.has_session() && permission.is_granted() && !request.suspend
}

/// Records which Secrets the object depends on. A Secret with the name of the object needs no record,
/// because it always wakes the object.
fn depend(ctx: &Context, object: &Key, request: &Request, permission: &Permission) {
    let mut secrets = BTreeSet::new();
    if permission.is_granted() {
        secrets.extend(credentials_secret(request));
    }
    if request.target.name != object.name() {
        secrets.insert(Key::new(object.namespace(), &request.target.name));
    }
    ctx.depend(object, &secrets);
}

/// Reads the credentials again if no watch keeps the cache current and a URL would be signed with
/// credentials that were read before this reconcile.
async fn refresh(ctx: &Context, observed: &mut Observed, request: &Request) -> Result<(), Failure> {
    if !ctx.reads_by_name() || observed.history.backoff(&observed.inputs, observed.now).is_some() {
        return Ok(());
    }
    // A session is requested with what was read, and lives longer than any delay of that.
    let Some(key) = credentials_secret(request).filter(|_| !request.credentials.has_session()) else {
        return Ok(());
    };
    let is_older = observed.credentials_read.is_some_and(|read| read < observed.begun);
    if is_older && plan(&observed.observation()).signs() {
        ctx.credentials.drop_older(&key, observed.begun);
        read_credentials(ctx, observed, request, false).await?;
        observed.render(ctx, request);
    }
    Ok(())
}

/// A hash of the UID of an object, which spreads renewals. It is FNV-1a, so that all releases agree.
fn seed(uid: &str) -> u32 {
    uid.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
