//! Writes the statuses of the signers: whether each can sign, and how many objects it allows and denies.

mod observe;

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use self::observe::{ObservedSigner, observe};
use crate::controller::caught::caught;
use crate::controller::context::{Context, SAFETY_NET};
use crate::controller::reconcile::error::{Failure, is_code};
use crate::controller::state::lean_signer::{LeanClusterSigner, LeanSigner};
use crate::controller::state::signers::CachedSigner;
use crate::crd::names::{GROUP, OPERATOR, VERSION};
use crate::crd::{SignerKind, SignerStatus};
use crate::domain::signer::SignerId;

/// How long after a write of a status the next one may follow, so that a burst of changes of its users
/// costs little.
const BETWEEN_WRITES: Duration = Duration::from_secs(30);
/// How long changes are collected before the statuses are compared.
const DEBOUNCE: Duration = Duration::from_millis(500);

/// How many signers are observed, and their statuses written, at a time.
const AT_A_TIME: usize = 4;

/// Keeps the statuses of all signers up to date, for as long as the process runs. A signer that is read slowly delays
/// those of no others.
pub async fn write_signer_statuses(ctx: Arc<Context>) {
    let ctx = &*ctx;
    let (places, mut running) = (Semaphore::new(AT_A_TIME), FuturesUnordered::new());
    let mut rounds = Rounds::default();
    loop {
        tokio::select! {
            () = ctx.signers.changed() => rounds.plan(Instant::now() + DEBOUNCE),
            () = sleep_until_due(rounds.due) => running.extend(rounds.begin(ctx, &places)),
            Some(compared) = running.next() => rounds.end(compared),
        }
    }
}

async fn sleep_until_due(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

/// When the statuses are compared, and when each was written.
#[derive(Default)]
struct Rounds {
    /// When all are compared again.
    due: Option<Instant>,
    /// Those that are being compared, and whether another round came meanwhile.
    running: HashMap<SignerId, bool>,
    written: HashMap<SignerId, Instant>,
    term: Option<(u64, Instant)>,
}

impl Rounds {
    fn plan(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Begins to compare the statuses of all signers that are not being compared.
    fn begin<'a>(
        &mut self,
        ctx: &'a Context,
        places: &'a Semaphore,
    ) -> Vec<impl Future<Output = ComparedStatus> + use<'a>> {
        self.due = None;
        // When a term begins, all objects are woken, and this task too.
        let Some(term) = ctx.leadership.term() else { return Vec::new() };
        ctx.begin_term(term);
        let begun = self.term.filter(|(of, _)| *of == term).map_or_else(Instant::now, |(_, begun)| begun);
        self.term = Some((term, begun));
        let counted = begun + BETWEEN_WRITES;
        // In the first seconds of a term few objects have been judged.
        let has_counts = Instant::now() >= counted;
        let mut all = ctx.signers.all();
        all.retain(|(id, _)| ctx.synced.has_signers(id));
        let ids: HashSet<_> = all.iter().map(|(id, _)| id).collect();
        self.written.retain(|id, _| ids.contains(id));
        if !has_counts && !all.is_empty() {
            self.plan(counted);
        }
        let mut begun = Vec::new();
        for (id, cached) in all {
            match self.running.entry(id) {
                Entry::Occupied(mut running) => drop(running.insert(true)),
                Entry::Vacant(place) => {
                    let written = self.written.get(place.key()).copied();
                    begun.push(compare(ctx, places, place.key().clone(), cached, has_counts, written));
                    place.insert(false);
                }
            }
        }
        begun
    }

    /// Takes in that the status of a signer was compared.
    fn end(&mut self, ComparedStatus { id, written, next }: ComparedStatus) {
        let came_meanwhile = self.running.remove(&id).unwrap_or(false);
        for at in next.into_iter().chain(came_meanwhile.then(Instant::now)) {
            self.plan(at);
        }
        self.written.extend(written.map(|written| (id, written)));
    }
}

/// What came of the comparison of a signer's status with what it should be.
struct ComparedStatus {
    id: SignerId,
    /// When the status was written last.
    written: Option<Instant>,
    /// When to compare again without a change.
    next: Option<Instant>,
}

/// Observes a signer and writes its status if that changed.
async fn compare(
    ctx: &Context,
    places: &Semaphore,
    id: SignerId,
    cached: Arc<CachedSigner>,
    has_counts: bool,
    mut written: Option<Instant>,
) -> ComparedStatus {
    // The semaphore is never closed.
    let _place = places.acquire().await.ok();
    let work = update(ctx, &id, &cached, has_counts, &mut written);
    let next = caught(&ctx.metrics, work, || {
        tracing::error!(signer = %id, "a bug in the operator stopped the status of a signer");
        Some(Instant::now() + SAFETY_NET)
    });
    let next = next.await;
    ComparedStatus { id, written, next }
}

/// Observes a signer and writes its status if that changed and may be written. Returns when to do that again without
/// a change. `written` is the time of the last write, or of an attempt that failed.
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
    let attempted = Instant::now();
    let failure = match write(ctx, id, cached, status).await {
        Ok(true) => {
            *written = Some(attempted);
            return None;
        }
        // The watch shows the newer version, or that the signer is gone, and wakes this task. Or the next
        // leader writes it.
        Ok(false) | Err(Failure::NotLeading(_)) => return None,
        Err(failure) => failure,
    };
    *written = Some(attempted);
    tracing::warn!(signer = %id, namespace = id.namespace, "{failure}");
    Some(Instant::now() + BETWEEN_WRITES)
}

/// Writes a status, and returns whether it was written: not if the signer changed meanwhile, or is gone.
async fn write(
    ctx: &Context,
    id: &SignerId,
    cached: &CachedSigner,
    status: &SignerStatus,
) -> Result<bool, Failure> {
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
        Ok(()) => Ok(true),
        Err(error) if is_code(&error, 404) || is_code(&error, 409) => Ok(false),
        Err(error) => Err(Failure::api(format!("write the status of {id}"), error)),
    }
}
