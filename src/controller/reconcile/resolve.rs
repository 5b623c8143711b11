//! Resolves the spec of an object with its signer, from the caches.

use std::sync::Arc;

use super::error::Failure;
use super::observe::Observed;
use crate::controller::context::Context;
use crate::controller::state::lean::{LeanPresignedUrl, NoSpec};
use crate::controller::state::signer_users::SignerAnswer;
use crate::controller::state::signers::FoundSigner;
use crate::crd::{PresignedUrlSpec, SignerKind};
use crate::domain::Owner;
use crate::domain::policy::Requester;
use crate::domain::resolve::{self, ResolveContext, Resolved, signer_id};
use crate::domain::signer::{ParsedSigner, SignerId};
use crate::domain::status::Problem;
use crate::runtime::Key;

/// Resolves the spec of an object, and records which signer it uses.
pub(super) fn resolve_object(
    ctx: &Context,
    key: &Key,
    object: &LeanPresignedUrl,
    owner: &Owner,
) -> (Result<Arc<Resolved>, Problem>, Option<Arc<ParsedSigner>>) {
    let spec = match &object.spec {
        Ok(spec) => Ok(spec),
        Err(NoSpec::Unreadable(why)) => Err(Failure::UnreadableSpec(why.clone()).problem()),
        Err(NoSpec::NotKept) => Err(Failure::Outdated.problem()),
    };
    let id = spec.as_ref().ok().and_then(|spec| spec.signer_ref.as_ref());
    let id = id.map(|reference| signer_id(reference, &owner.namespace));
    if let Some(id) = &id {
        ctx.signer_users.begin(key, id);
    }
    let signer = id.as_ref().and_then(|id| find_signer(ctx, id));
    let resolved = spec.and_then(|spec| {
        let requester = Requester::new(&owner.namespace, &owner.name);
        judge(ctx, requester, spec, object.renew(), signer.as_ref()).map(Arc::new)
    });
    let answer = resolved.as_ref().map_or(SignerAnswer::Unserved, |resolved| (&resolved.permission).into());
    if ctx.signer_users.set(key, id.as_ref().map(|id| (id, answer))) {
        ctx.signers.wake();
    }
    (resolved, signer.and_then(Result::ok))
}

/// The signer, `None` if there is none that can be named, or why it cannot be used.
pub(in crate::controller) type UsableSigner = Option<Result<Arc<ParsedSigner>, &'static str>>;

/// Finds a signer in the cache.
pub(in crate::controller) fn find_signer(ctx: &Context, id: &SignerId) -> UsableSigner {
    match ctx.signers.find(id, ctx.scope_of(id)) {
        FoundSigner::Missing => None,
        FoundSigner::Unreadable(why) => Some(Err(why)),
        FoundSigner::Found(signer) => match (&signer.parsed, id.kind) {
            (Ok(parsed), _) => Some(Ok(parsed.clone())),
            (Err(_), SignerKind::Signer) => Some(Err("is not valid: its status says why")),
            // Nobody can tell whether it is for this namespace.
            (Err(_), SignerKind::ClusterSigner) => None,
        },
    }
}

/// Judges a spec by its signer and by the limits of the operator.
///
/// # Errors
/// The problem when there is no valid request, or one that the operator does not permit.
pub(in crate::controller) fn judge(
    ctx: &Context,
    requester: Requester<'_>,
    spec: &PresignedUrlSpec,
    renew: Option<&str>,
    signer: Option<&Result<Arc<ParsedSigner>, &'static str>>,
) -> Result<Resolved, Problem> {
    let labels = ctx.namespace_labels.get(requester.namespace);
    let context = ResolveContext {
        settings: &ctx.connection_settings,
        signer: signer.map(|signer| signer.as_deref().map_err(|why| *why)),
        labels: labels.as_deref(),
    };
    let resolved = resolve::resolve(requester, spec, renew, &context)?;
    // The answer to a request that is denied must not show what the signer points to.
    if resolved.permission.is_granted() {
        ctx.limits.check(&resolved.request).map_err(|error| Failure::from(error).problem())?;
    }
    Ok(resolved)
}

/// Requires that a signer still says what it said when the observation was made. Reads in between may have
/// taken long.
///
/// # Errors
/// [`Failure::Outdated`] when its answer, the signer or the labels of the namespace have changed.
pub(super) fn require_unchanged(
    ctx: &Context,
    object: &LeanPresignedUrl,
    observed: &Observed,
) -> Result<(), Failure> {
    let Some(signer) = &observed.signer else { return Ok(()) };
    let before = observed.resolved();
    let (now, _) = resolve_object(ctx, &Key::from(object), object, &observed.owner);
    let is_same = ctx.signers.is_current(signer)
        && before.is_some_and(|before| now.is_ok_and(|now| now.permission == before.permission));
    if is_same { Ok(()) } else { Err(Failure::Outdated) }
}
