//! Writes the statuses of the signers: whether each can sign, and how many objects it allows and denies.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::controller::caught::caught;
use crate::controller::context::{Context, SAFETY_NET};
use crate::controller::reconcile::error::{Failure, is_code};
use crate::controller::state::credentials::KeySelection;
use crate::controller::state::lean_signer::{LeanClusterSigner, LeanSigner};
use crate::controller::state::signers::CachedSigner;
use crate::crd::names::{GROUP, OPERATOR, VERSION};
use crate::crd::{SignerKind, SignerStatus};
use crate::domain::Credentials;
use crate::domain::reason::FailureReason;
use crate::domain::signer::{ParsedSigner, SignerId};
use crate::domain::signer_status::SignerObservation;

/// How long after a write of a status the next one may follow, so that a burst of changes of its users
/// costs little.
const BETWEEN_WRITES: Duration = Duration::from_secs(30);
/// How long changes are collected before the statuses are compared.
const DEBOUNCE: Duration = Duration::from_millis(500);

/// How many signers are observed, and their statuses written, at a time.
const AT_A_TIME: usize = 4;

/// Keeps the statuses of all signers up to date, for as long as the process runs.
pub async fn write_signer_statuses(ctx: Arc<Context>) {
    let mut statuses = SignerStatuses::default();
    let mut due: Option<Instant> = None;
    loop {
        tokio::select! {
            () = ctx.signers.changed() => {}
            () = sleep_until_due(due) => {}
        }
        tokio::time::sleep(DEBOUNCE).await;
        due = statuses.write_all(&ctx).await;
    }
}

async fn sleep_until_due(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

/// What was written, and since when this process leads.
#[derive(Default)]
struct SignerStatuses {
    written: HashMap<SignerId, Instant>,
    term: Option<(u64, Instant)>,
}

impl SignerStatuses {
    /// Writes every status that changed, and returns when to compare again without a change.
    async fn write_all(&mut self, ctx: &Context) -> Option<Instant> {
        // When a term begins, all objects are woken, and this task too.
        let term = ctx.leadership.term()?;
        let begun = self.term.filter(|(of, _)| *of == term).map_or_else(Instant::now, |(_, begun)| begun);
        self.term = Some((term, begun));
        let counted = begun + BETWEEN_WRITES;
        // In the first seconds of a term few objects have been judged.
        let has_counts = Instant::now() >= counted;
        let all: Vec<_> =
            ctx.signers.all().into_iter().filter(|(id, _)| ctx.synced.has_signers(id)).collect();
        let ids: HashSet<_> = all.iter().map(|(id, _)| id).collect();
        self.written.retain(|id, _| ids.contains(id));
        let mut due = (!has_counts && !all.is_empty()).then_some(counted);
        let before = &self.written;
        let updates = futures::stream::iter(all).map(|(id, cached)| async move {
            let mut written = before.get(&id).copied();
            let work = update(ctx, &id, &cached, has_counts, &mut written);
            let next = caught(&ctx.metrics, work, || {
                tracing::error!(signer = %id, "a bug in the operator stopped the status of a signer");
                Some(Instant::now() + SAFETY_NET)
            });
            (next.await, id, written)
        });
        // A signer that is read slowly must not delay the statuses of the others.
        let updated: Vec<_> = updates.buffer_unordered(AT_A_TIME).collect().await;
        for (next, id, written) in updated {
            self.written.extend(written.map(|written| (id, written)));
            due = [due, next].into_iter().flatten().min();
        }
        due
    }
}

/// Observes a signer and writes its status if that changed and may be written. Returns when to do that again without
/// a change. `written` is the time of the last write.
async fn update(
    ctx: &Context,
    id: &SignerId,
    cached: &CachedSigner,
    has_counts: bool,
    written: &mut Option<Instant>,
) -> Option<Instant> {
    let now = ctx.clock.now();
    let ObservedSigner { status, expiration, has_failed } = observe(ctx, id, cached, now, has_counts).await;
    let expires = expiration.filter(|expiration| *expiration > now);
    let expires = expires.map(|time| Instant::now() + ctx.clock.until(time).min(SAFETY_NET));
    let again = has_failed.then(|| Instant::now() + BETWEEN_WRITES);
    let write = write_if_changed(ctx, id, cached, &status, written).await;
    [expires, again, write].into_iter().flatten().min()
}

/// Writes a status if it changed and may be written, and returns when to try again.
async fn write_if_changed(
    ctx: &Context,
    id: &SignerId,
    cached: &CachedSigner,
    status: &SignerStatus,
    written: &mut Option<Instant>,
) -> Option<Instant> {
    if *status == cached.status {
        return None;
    }
    let may_write = written.map(|last| last + BETWEEN_WRITES);
    if let Some(later) = may_write.filter(|time| *time > Instant::now()) {
        return Some(later);
    }
    *written = Some(Instant::now());
    let failure = write(ctx, id, cached, status).await.err()?;
    // The next leader writes it.
    if matches!(failure, Failure::NotLeading(_)) {
        return None;
    }
    tracing::warn!(signer = %id, namespace = id.namespace, "{failure}");
    Some(Instant::now() + BETWEEN_WRITES)
}

/// What was observed about a signer.
struct ObservedSigner {
    /// The status that it should have.
    status: SignerStatus,
    /// When its credentials expire.
    expiration: Option<Timestamp>,
    /// Whether its credentials could not be read, so that no change of them is noticed.
    has_failed: bool,
}

async fn observe(
    ctx: &Context,
    id: &SignerId,
    cached: &CachedSigner,
    now: Timestamp,
    has_counts: bool,
) -> ObservedSigner {
    // Nobody asks for its sessions, so that nobody would notice that its ServiceAccount was mended.
    if !ctx.signer_users.is_used(id) {
        ctx.sessions.forget_unused_account_failure(id, now);
    }
    let mut has_failed = false;
    let credentials = match &cached.parsed {
        Ok(signer) => {
            let found = read_credentials(ctx, signer).await.unwrap_or_else(|failure| {
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
    };
    ObservedSigner { status: observation.status(&cached.status, now), expiration, has_failed }
}

/// The access key of a signer, `None` if it has none, or what is wrong with it and why.
type FoundCredentials = Result<Option<Arc<Credentials>>, (FailureReason, String)>;

async fn read_credentials(ctx: &Context, signer: &ParsedSigner) -> Result<FoundCredentials, Failure> {
    let Some((key, selection)) = KeySelection::of_signer(signer) else { return Ok(Ok(None)) };
    let cached = if let Some(cached) = ctx.credentials.cached(&key, &selection) {
        cached
    } else {
        let _permit = ctx.limiter.permit().await;
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

async fn write(
    ctx: &Context,
    id: &SignerId,
    cached: &CachedSigner,
    status: &SignerStatus,
) -> Result<(), Failure> {
    let _permit = ctx.limiter.permit().await;
    let mut metadata =
        json!({"name": id.name, "uid": cached.uid, "resourceVersion": cached.resource_version});
    if id.kind == SignerKind::Signer {
        metadata["namespace"] = json!(id.namespace);
    }
    let body = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": id.kind.to_string(),
        "metadata": metadata,
        "status": status,
    });
    let (params, patch) = (PatchParams::apply(OPERATOR).force(), Patch::Apply(body));
    let client = ctx.client.clone();
    let answer = match id.kind {
        SignerKind::Signer => {
            let signers: Api<LeanSigner> = Api::namespaced(client, &id.namespace);
            signers.patch_status(&id.name, &params, &patch).await.map(drop)
        }
        SignerKind::ClusterSigner => {
            let signers: Api<LeanClusterSigner> = Api::all(client);
            signers.patch_status(&id.name, &params, &patch).await.map(drop)
        }
    };
    match answer {
        Ok(()) => Ok(()),
        // The watch shows the newer version, or that the signer is gone, and wakes this task.
        Err(error) if is_code(&error, 404) || is_code(&error, 409) => Ok(()),
        Err(error) => Err(Failure::api(format!("write the status of {id}"), error)),
    }
}
