//! Observes a signer: whether it can sign, and how many objects it allows and denies.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::Comparison;
use crate::controller::context::Context;
use crate::controller::reconcile::error::Failure;
use crate::controller::state::credentials::KeySelection;
use crate::controller::state::signers::CachedSigner;
use crate::crd::SignerStatus;
use crate::domain::Credentials;
use crate::domain::reason::FailureReason;
use crate::domain::signer::{ParsedSigner, SignerId};
use crate::domain::signer_status::SignerObservation;

/// What was observed about a signer.
pub(super) struct ObservedSigner {
    /// The status that it should have.
    pub(super) status: SignerStatus,
    /// When its credentials expire.
    pub(super) expiration: Option<Timestamp>,
    /// Whether its credentials could not be read, so that no change of them is noticed.
    pub(super) has_failed: bool,
}

impl Comparison<'_> {
    /// Observes a signer. Waits for its Secret where that has to be read.
    pub(super) async fn observe(
        self,
        id: &SignerId,
        cached: &CachedSigner,
        now: Timestamp,
    ) -> ObservedSigner {
        let Self { ctx, places, has_counts, is_new_leader, .. } = self;
        // Nobody asks for its sessions, so that nobody would notice that its ServiceAccount was mended.
        if !ctx.signer_users.is_used(id) {
            ctx.sessions.forget_unused_account_failure(id, now);
        }
        let mut has_failed = false;
        let credentials = match &cached.parsed {
            Ok(signer) => {
                let found = read_credentials(ctx, places, signer).await.unwrap_or_else(|failure| {
                    has_failed = true;
                    let problem = failure.problem();
                    Err((problem.reason, problem.message))
                });
                let failed = ctx.sessions.failure_of(signer).filter(|_| found.is_ok());
                match (signer.check_sessions(&ctx.limits), failed) {
                    (Err(refusal), _) => Err((FailureReason::NotPermitted, refusal.to_string())),
                    (Ok(()), Some(failure)) => Err((failure.reason(), failure.to_string())),
                    (Ok(()), None) => found,
                }
            }
            Err(_) => Err((FailureReason::InvalidSpec, String::new())),
        };
        let expiration = credentials.as_ref().ok().and_then(|key| key.as_ref()?.expiration);
        let before = cached.status.allowed.zip(cached.status.denied).filter(|_| !has_counts);
        let observation = SignerObservation {
            generation: cached.generation,
            parsed: cached.parsed.as_deref().map_err(String::as_str),
            credentials: credentials.as_ref().map(Option::as_deref).map_err(Clone::clone),
            counts: before.unwrap_or_else(|| ctx.signer_users.counts(id)),
            knows_labels: ctx.namespace_selectors,
            is_new_leader,
        };
        ObservedSigner { status: observation.status(&cached.status, now), expiration, has_failed }
    }
}

/// The access key of a signer, `None` if it has none, or what is wrong with it and why.
type FoundCredentials = Result<Option<Arc<Credentials>>, (FailureReason, String)>;

async fn read_credentials(
    ctx: &Context,
    places: &Semaphore,
    signer: &ParsedSigner,
) -> Result<FoundCredentials, Failure> {
    let Some((key, selection)) = KeySelection::of_signer(signer) else { return Ok(Ok(None)) };
    let cached = if let Some(cached) = ctx.credentials.cached(&key, &selection) {
        cached
    } else {
        let (_place, _permit) = (places.acquire().await.ok(), ctx.limiter.permit().await);
        let read = ctx.credentials.get(ctx, &key, &selection).await;
        read.map_err(|error| Failure::reading(&key, error))?
    };
    Ok(match &cached.credentials {
        Some(Ok(credentials)) => Ok(Some(credentials.clone())),
        Some(Err(error)) => Err((FailureReason::CredentialsInvalid, error.to_string())),
        None => {
            let (name, namespace) = (key.name(), key.namespace());
            let message = format!(
                "Secret {name:?} with the credentials does not exist in namespace {namespace:?}: create it, or correct spec.s3.credentials.secretRef.name"
            );
            Err((FailureReason::CredentialsNotFound, message))
        }
    })
}
