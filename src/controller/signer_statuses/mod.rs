//! Writes the statuses of the signers: whether each can sign, and how many objects it allows and denies.

mod observe;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::observe::ObservedSigner;
use crate::controller::caught::caught;
use crate::controller::context::{Context, SAFETY_NET};
use crate::controller::reconcile::error::{Failure, is_code};
use crate::controller::state::lean_signer::{LeanClusterSigner, LeanSigner};
use crate::controller::state::signers::CachedSigner;
use crate::crd::names::{GROUP, OPERATOR, VERSION};
use crate::crd::{SignerKind, SignerStatus};
use crate::domain::signer::SignerId;
use crate::runtime::clock::sleep_until;

/// How long after a write of a status the next one may follow, so that a burst of changes of its users
/// costs little.
const BETWEEN_WRITES: Duration = Duration::from_secs(30);
/// How long a failure of its sessions that an earlier leader reported stays in the status of a signer, unless this one
/// meets another: longer than the backoff of an object, which asks for a session after that.
const BEFORE_SESSIONS: Duration = Duration::from_secs(90);
/// How long changes are collected before the statuses are compared.
const DEBOUNCE: Duration = Duration::from_millis(500);

/// How many signers are observed, and their statuses written, at a time.
const AT_A_TIME: usize = 4;

/// Keeps the statuses of all signers up to date, for as long as the process runs. A signer whose Secret is read slowly
/// delays the others only where as many as [`AT_A_TIME`] are.
pub async fn write_signer_statuses(ctx: Arc<Context>) {
    let (ctx, places) = (&*ctx, Semaphore::new(AT_A_TIME));
    let mut comparisons = FuturesUnordered::new();
    let mut statuses = SignerStatuses::default();
    loop {
        tokio::select! {
            () = ctx.signers.changed() => statuses.plan(Instant::now() + DEBOUNCE),
            () = sleep_until(statuses.due) => comparisons.extend(statuses.compare_all(ctx, &places)),
            Some(compared) = comparisons.next() => comparisons.extend(statuses.end(ctx, &places, compared)),
        }
    }
}

/// When the statuses are compared with what they should be, and when each was written.
#[derive(Default)]
struct SignerStatuses {
    /// When all are compared again.
    due: Option<Instant>,
    /// When all were compared last.
    compared: Option<Instant>,
    /// Those that are being compared, and whether they have to be once more, because something changed meanwhile.
    running: HashMap<SignerId, bool>,
    /// When the last attempt was made to write each.
    attempted: HashMap<SignerId, Instant>,
    /// The term, and when it began.
    term: Option<(u64, Instant)>,
}

impl SignerStatuses {
    /// Plans to compare all at a time, though not again at once.
    fn plan(&mut self, at: Instant) {
        let at = self.compared.map_or(at, |last| at.max(last + DEBOUNCE));
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Begins to compare the statuses of all signers. Those that are being compared already are compared once more
    /// afterwards.
    fn compare_all<'a>(
        &mut self,
        ctx: &'a Context,
        places: &'a Semaphore,
    ) -> Vec<BoxFuture<'a, ComparedStatus>> {
        (self.due, self.compared) = (None, Some(Instant::now()));
        let Some(comparison) = self.comparison(ctx, places) else { return Vec::new() };
        let mut all = ctx.signers.all();
        all.retain(|(id, _)| ctx.synced.has_signers(id));
        let ids: HashSet<_> = all.iter().map(|(id, _)| id).collect();
        self.attempted.retain(|id, _| ids.contains(id));
        if let Some((_, begun)) = self.term.filter(|_| !all.is_empty()) {
            let times = [BETWEEN_WRITES, BEFORE_SESSIONS].map(|after| begun + after);
            times.into_iter().filter(|at| *at > Instant::now()).for_each(|at| self.plan(at));
        }
        let mut begun = Vec::new();
        for (id, cached) in all {
            if let Some(is_again) = self.running.get_mut(&id) {
                *is_again = true;
            } else {
                begun.push(self.compare(comparison, id, cached));
            }
        }
        begun
    }

    /// Takes in that the status of a signer was compared, and begins that once more if something changed meanwhile.
    fn end<'a>(
        &mut self,
        ctx: &'a Context,
        places: &'a Semaphore,
        ComparedStatus { id, attempted, next }: ComparedStatus,
    ) -> Option<BoxFuture<'a, ComparedStatus>> {
        if let Some(next) = next {
            self.plan(next);
        }
        self.attempted.extend(attempted.map(|attempted| (id.clone(), attempted)));
        let is_again = self.running.remove(&id)?;
        // Until its scope is listed again, nothing is known; then this task is woken.
        let cached = ctx.signers.get(&id).filter(|_| is_again && ctx.synced.has_signers(&id))?;
        let comparison = self.comparison(ctx, places)?;
        Some(self.compare(comparison, id, cached))
    }

    fn compare<'a>(
        &mut self,
        comparison: Comparison<'a>,
        id: SignerId,
        cached: Arc<CachedSigner>,
    ) -> BoxFuture<'a, ComparedStatus> {
        self.running.insert(id.clone(), false);
        let attempted = self.attempted.get(&id).copied();
        comparison.run(id, cached, attempted).boxed()
    }

    /// What is common to the comparisons that begin now; `None` if this process does not lead.
    fn comparison<'a>(&mut self, ctx: &'a Context, places: &'a Semaphore) -> Option<Comparison<'a>> {
        // When a term begins, all objects are woken, and this task too.
        let term = ctx.leadership.term()?;
        ctx.begin_term(term);
        let begun = self.term.filter(|(of, _)| *of == term).map_or_else(Instant::now, |(_, begun)| begun);
        self.term = Some((term, begun));
        // In the first seconds of a term few objects have been judged.
        let has_counts = Instant::now() >= begun + BETWEEN_WRITES;
        let is_new_leader = Instant::now() < begun + BEFORE_SESSIONS;
        Some(Comparison { ctx, places, term, has_counts, is_new_leader })
    }
}

/// What came of the comparison of a signer's status with what it should be.
struct ComparedStatus {
    id: SignerId,
    /// When the last attempt was made to write it.
    attempted: Option<Instant>,
    /// When to compare again without a change.
    next: Option<Instant>,
}

/// What is common to the comparisons of a term.
#[derive(Clone, Copy)]
struct Comparison<'a> {
    ctx: &'a Context,
    /// Who has one reads a Secret or writes a status.
    places: &'a Semaphore,
    term: u64,
    /// Whether the counts of this process are those of all objects.
    has_counts: bool,
    /// Whether perhaps no object has asked for a session in this term yet.
    is_new_leader: bool,
}

impl Comparison<'_> {
    /// Observes a signer and writes its status if that changed.
    async fn run(
        self,
        id: SignerId,
        cached: Arc<CachedSigner>,
        attempted: Option<Instant>,
    ) -> ComparedStatus {
        let mut compared = ComparedStatus { id: id.clone(), attempted, next: None };
        let work = self.update(&id, &cached, &mut compared.attempted);
        let next = caught(&self.ctx.metrics, work, || {
            tracing::error!(signer = %id, "a bug in the operator stopped the status of a signer");
            Some(Instant::now() + SAFETY_NET)
        });
        compared.next = next.await;
        compared
    }

    /// Observes a signer and writes its status if that changed and may be written. Returns when to do that again
    /// without a change.
    async fn update(
        self,
        id: &SignerId,
        cached: &Arc<CachedSigner>,
        attempted: &mut Option<Instant>,
    ) -> Option<Instant> {
        let now = self.ctx.clock.now();
        let ObservedSigner { status, expiration, has_failed } = self.observe(id, cached, now).await;
        let expires = expiration.filter(|expiration| *expiration > now);
        let expires = expires.map(|time| Instant::now() + self.ctx.clock.until(time).min(SAFETY_NET));
        let again = has_failed.then(|| Instant::now() + BETWEEN_WRITES);
        let write = self.write_if_changed(id, cached, &status, attempted).await;
        [expires, again, write].into_iter().flatten().min()
    }

    /// Writes a status if it changed and may be written, and returns when to try again.
    async fn write_if_changed(
        self,
        id: &SignerId,
        cached: &Arc<CachedSigner>,
        status: &SignerStatus,
        attempted: &mut Option<Instant>,
    ) -> Option<Instant> {
        if *status == cached.status {
            return None;
        }
        let may_write = attempted.map(|last| last + BETWEEN_WRITES);
        if let Some(later) = may_write.filter(|time| *time > Instant::now()) {
            return Some(later);
        }
        // The semaphore is never closed.
        let (_place, _permit) = (self.places.acquire().await.ok(), self.ctx.limiter.permit().await);
        // What was observed in an earlier term is not written in a later one. If the signer changed meanwhile, it is
        // compared once more.
        let is_current = self.ctx.signers.get(id).is_some_and(|now| Arc::ptr_eq(&now, cached));
        if !is_current || self.ctx.leadership.term() != Some(self.term) {
            return None;
        }
        *attempted = Some(Instant::now());
        let failure = write(self.ctx, id, cached, status).await.err()?;
        // The next leader writes it.
        if matches!(failure, Failure::NotLeading(_)) {
            return None;
        }
        tracing::warn!(signer = %id, namespace = id.namespace, "{failure}");
        Some(Instant::now() + BETWEEN_WRITES)
    }
}

async fn write(
    ctx: &Context,
    id: &SignerId,
    cached: &CachedSigner,
    status: &SignerStatus,
) -> Result<(), Failure> {
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
