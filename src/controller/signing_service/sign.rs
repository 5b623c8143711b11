//! Signs the URLs of a volume as those of `PresignedUrl`s are signed, from the same caches.

use std::sync::Arc;

use tokio::time::Instant;

use super::failure::{SigningFailure, SigningResult};
use super::pod::RequestingPod;
use super::wanted_urls::resolvable;
use crate::controller::context::Context;
use crate::controller::reconcile::credentials::{read, require_usable};
use crate::controller::reconcile::error::Failure;
use crate::controller::reconcile::resolve::{UsableSigner, find_signer, judge};
use crate::controller::sessions::session_for_volume;
use crate::controller::state::credentials::KeySelection;
use crate::crd::PresignedUrlSpec;
use crate::domain::policy::Requester;
use crate::domain::reason::FailureReason;
use crate::domain::resolve::{Permission, Resolved, not_found};
use crate::domain::signer::{ParsedSigner, SignerId};
use crate::domain::status::Problem;
use crate::domain::volume::{SignedVolume, SigningBasis, SigningRequest, VolumeTimes, VolumeUrl, files};
use crate::domain::{Credentials, SignedUrl, Validity};

/// The shortest lifetime of a URL in a volume, in seconds, as in the driver.
const SHORTEST: u32 = 300;
/// How often a request begins again because the signer or its policy has changed meanwhile.
const MAX_TRIES: usize = 3;

/// Signs all URLs of a request. The caller has checked that the pod may use the signer.
///
/// # Errors
/// Why there are no URLs.
pub async fn sign(
    ctx: &Context,
    pod: &RequestingPod,
    id: &SignerId,
    request: &SigningRequest,
) -> Result<SignedVolume, SigningFailure> {
    if !ctx.scopes.covers(&pod.namespace) {
        let message = "the operator does not serve this namespace: ask its administrator (--namespace)";
        return Err(SigningFailure::new(SigningResult::NotPermitted, message));
    }
    let specs: Vec<_> = request.urls.iter().map(|(name, spec)| (name.as_str(), resolvable(spec))).collect();
    for _ in 0..MAX_TRIES {
        if let Some(signed) = try_sign(ctx, pod, id, request, &specs).await? {
            return Ok(signed);
        }
    }
    Err(SigningFailure::new(SigningResult::Unavailable, format!("{id} changes again and again")))
}

/// Signs once; `None` if the signer or its answer has changed meanwhile.
async fn try_sign(
    ctx: &Context,
    pod: &RequestingPod,
    id: &SignerId,
    request: &SigningRequest,
    specs: &[(&str, PresignedUrlSpec)],
) -> Result<Option<SignedVolume>, SigningFailure> {
    if !ctx.synced.is_complete(&pod.namespace) {
        let message = "the operator has just started and reads the signers: this is tried again";
        return Err(SigningFailure::new(SigningResult::Unavailable, message));
    }
    let begun = Instant::now();
    let found = find_signer(ctx, id);
    let judged = judge_all(ctx, pod, specs, &found)?;
    let Some(Ok(signer)) = &found else { return Err(SigningFailure::of_problem(&not_found(id))) };
    let mut bases = Vec::with_capacity(judged.len());
    for ((name, _), resolved) in specs.iter().zip(&judged) {
        let found = find_credentials(ctx, pod, signer, resolved, request, begun).await;
        bases.push(found.map_err(|failure| failure.of_url(name))?);
    }
    // Reads and calls in between may have taken long. From here on nothing waits.
    let is_same = |before: &Resolved, now: &Resolved| before.permission == now.permission;
    let now = judge_all(ctx, pod, specs, &find_signer(ctx, id))?;
    if !ctx.signers.is_current(signer) || !judged.iter().zip(&now).all(|(before, now)| is_same(before, now)) {
        return Ok(None);
    }
    let mut signed = Vec::with_capacity(judged.len());
    for (((name, _), resolved), credentials) in specs.iter().zip(judged).zip(bases) {
        let url = presign(ctx, id, &resolved, &credentials).map_err(|failure| failure.of_url(name))?;
        let basis = SigningBasis::Key(Credentials::clone(&credentials));
        signed.push((VolumeUrl { name: (*name).to_owned(), request: resolved.request, basis }, url));
    }
    let validities = signed.iter().map(|(url, signed)| (signed.validity, url.request.overlap));
    let times = VolumeTimes::of(validities, request.seed);
    let signed: Vec<_> = signed.iter().map(|(url, signed)| (url, signed.clone())).collect();
    Ok(times.map(|times| SignedVolume { files: files(&signed), times }))
}

/// Judges all URLs as those of `PresignedUrl`s without a name.
fn judge_all(
    ctx: &Context,
    pod: &RequestingPod,
    specs: &[(&str, PresignedUrlSpec)],
    signer: &UsableSigner,
) -> Result<Vec<Resolved>, SigningFailure> {
    let requester = Requester::new(&pod.namespace, "");
    let judge = |(name, spec): &(&str, PresignedUrlSpec)| {
        let refused = |problem: &Problem| SigningFailure::of_problem(problem).of_url(name);
        let resolved =
            judge(ctx, requester, spec, None, signer.as_ref()).map_err(|problem| refused(&problem))?;
        if let Permission::Denied { problem, .. } = &resolved.permission {
            return Err(refused(problem));
        }
        if resolved.request.lifetime() < SHORTEST {
            let message = if resolved.request.expires_in < SHORTEST {
                "spec.expiresIn: must be at least 5m in a CSI volume, so that a URL outlives a restart of the driver"
            } else {
                "spec.signerRef: the signer permits URLs of less than 5m only, which is too short for a CSI volume: ask its owner"
            };
            return Err(refused(&Problem::new(FailureReason::InvalidSpec, message.to_owned())));
        }
        Ok(resolved)
    };
    specs.iter().map(judge).collect()
}

/// What a URL is signed with.
async fn find_credentials(
    ctx: &Context,
    pod: &RequestingPod,
    signer: &ParsedSigner,
    Resolved { request, .. }: &Resolved,
    signing_request: &SigningRequest,
    begun: Instant,
) -> Result<Arc<Credentials>, SigningFailure> {
    let failed = |failure: Failure| match failure {
        Failure::Overloaded { .. } | Failure::NotLeading(_) => {
            SigningFailure::new(SigningResult::Unavailable, "the API server is busy: this is tried again")
        }
        failure => SigningFailure::of_problem(&failure.problem()),
    };
    let key = match KeySelection::of_request(request) {
        Some((key, selection)) => {
            if ctx.reads_by_name() {
                // No watch keeps the cache current.
                ctx.credentials.drop_older(&key, begun);
            }
            let cached = read(ctx, &key, &selection, request).await.map_err(failed)?;
            Some(require_usable(&cached, request).map_err(failed)?)
        }
        None => None,
    };
    match (key, request.credentials.has_session()) {
        (Some(key), false) => Ok(key),
        (base, _) => {
            let session =
                session_for_volume(ctx, &pod.namespace, request, signer, base, signing_request.longer_than)
                    .await;
            session.map_err(failed)?.map_err(|problem| SigningFailure::of_problem(&problem))
        }
    }
}

fn presign(
    ctx: &Context,
    id: &SignerId,
    Resolved { request, .. }: &Resolved,
    credentials: &Credentials,
) -> Result<SignedUrl, SigningFailure> {
    let validity = Validity::new(ctx.clock.now(), request.lifetime(), credentials.expiration);
    let validity = validity.map_err(|expired| {
        let message = format!("the credentials of {id} cannot be used: {expired}: ask its owner");
        SigningFailure::of_problem(&Problem::new(FailureReason::CredentialsExpired, message))
    })?;
    let begun = Instant::now();
    let signed = ctx.signer.presign(request, credentials, validity);
    ctx.metrics.signed(begun.elapsed().as_secs_f64());
    signed.map_err(|error| SigningFailure::of_problem(&Failure::from(error).problem()))
}
