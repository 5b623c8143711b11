//! One reconcile of one `PresignedUrl`: observe, plan, act, finish, report.
//!
//! `domain` decides what to do and when to reconcile again (`plan`, `finish`); this module connects
//! those decisions to the API server.

mod apply;
pub(super) mod credentials;
pub mod error;
mod observe;
mod prune;
mod report;
pub(super) mod resolve;
mod target;
mod ttl;
mod verify;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use self::apply::{Acted, carry_out_action};
use self::error::Failure;
use self::observe::{Observed, observe, reported_expiration};
use self::prune::{prune, withdraw};
use self::report::report;
use self::ttl::delete_after_ttl;
use crate::controller::caught::caught;
use crate::controller::context::Context;
use crate::controller::state::lean::{LeanPresignedUrl, NoSpec};
use crate::controller::watch::forget_if_gone;
use crate::domain::Request;
use crate::domain::finish::{Done, Finish, Next, Outcome, ReportContext, finish, status_not_written};
use crate::domain::history::{Awaited, History};
use crate::domain::plan::{Plan, plan};
use crate::domain::resolve::Resolved;
use crate::domain::status::{Problem, Progress};
use crate::runtime::Key;
use crate::runtime::schedule::{self, Cause, Job};

/// When a standby takes up an object again. All objects are woken when it becomes leader.
const UNTIL_NEXT_TERM: Duration = Duration::from_secs(3600);
/// How soon to check again whether a predecessor's Secret has been garbage-collected.
const COLLECTION: Duration = Duration::from_secs(5);

/// Reconciles one object, and returns when to reconcile it again.
pub async fn reconcile(job: Job<Key>, ctx: Arc<Context>) -> schedule::NextRun {
    let Some(term) = ctx.leadership.term() else {
        return schedule::NextRun::after(UNTIL_NEXT_TERM, Cause::Timer);
    };
    if !ctx.synced.is_complete(job.key.namespace()) {
        return ctx.when(Next::OnChange(None));
    }
    let Some(object) = ctx.objects.get(&job.key) else {
        ctx.queue.remove_unless_woken(&job.key);
        return ctx.when(Next::OnChange(None));
    };
    if object.is_being_deleted() {
        ctx.verifications.forget(&job.key);
        return ctx.when(Next::OnChange(None));
    }
    ctx.begin_term(term);
    let started = Instant::now();
    let (finished, next) = reconcile_object(&ctx, &job, &object).await;
    // The object may have been deleted during the reconcile. Then the watch has already removed its
    // state, and this reconcile has stored some again.
    forget_if_gone(&ctx, &job.key);
    ctx.metrics.reconciled(finished.label, started.elapsed().as_secs_f64());
    match &finished.report {
        // Without a watch of Secrets nothing wakes the object when that Secret is collected.
        Some(content) if content.progress == Progress::AwaitingCollection && ctx.reads_by_name() => {
            schedule::NextRun::after(COLLECTION, Cause::SafetyNet)
        }
        _ => ctx.when(next),
    }
}

/// Observes, plans, acts, finishes and reports, and returns when to reconcile the object again.
async fn reconcile_object(ctx: &Context, job: &Job<Key>, object: &LeanPresignedUrl) -> (Finish, Next) {
    let history = ctx.histories.get(&job.key, object.uid());
    // A watch may have missed a change, so the awaited Secret is read from the API server.
    let reads = match job.cause {
        Cause::SafetyNet => history.awaits(),
        Cause::Timer | Cause::Woken => history.overdue(ctx.clock.now()),
    };
    let (plan, outcome, resolved) =
        if let Some(problem) = history.panic_backoff(&object.inputs(0), ctx.clock.now()) {
            in_panic_backoff(ctx, object, problem.clone())
        } else {
            // A panic in one reconcile must not affect other objects.
            let work = carry_out(ctx, &job.key, object, &history, reads);
            caught(&ctx.metrics, work, || interrupted(ctx, object, &Failure::Panicked)).await
        };
    let request = resolved.as_deref().map(|resolved| &resolved.request);
    let seen = outcome.seen(&plan);
    let context = ReportContext {
        generation: object.metadata.generation,
        pods: ctx.pods.uses_of(object, request),
        verification: ctx.verifications.news(
            &job.key,
            object.uid(),
            request.map(|request| request.verify.when),
            &seen,
        ),
        is_clock_skewed: ctx.skew.is_skewed(),
        is_renew_refused: request.is_some_and(|request| request.is_renew_refused),
        has_read: reads.is_some(),
    };
    let finished = finish(&plan, &outcome, &history, context);
    if let Some(reason) = finished.failure {
        ctx.metrics.failed(reason);
    }
    let (history, next) = match report_finished(ctx, &job.key, object, request, &finished).await {
        Ok(()) => {
            let mut history = finished.history.clone();
            history.status_is_current();
            (history, finished.next)
        }
        Err(failure) => {
            tracing::debug!(namespace = job.key.namespace(), name = job.key.name(), "{failure}");
            status_not_written(&finished, &plan, &failure.interruption(), ctx.clock.now())
        }
    };
    ctx.histories.set(&job.key, object.uid(), history);
    (finished, next)
}

/// Writes what is to be reported into the status, and passes it on to those that look at pods and stores.
async fn report_finished(
    ctx: &Context,
    key: &Key,
    object: &LeanPresignedUrl,
    request: Option<&Request>,
    finished: &Finish,
) -> Result<(), Failure> {
    let Some(content) = &finished.report else { return Ok(()) };
    let written = report(ctx, object, content, finished.issued).await;
    ctx.pods.note(key, request, content, finished.issued);
    if written.is_ok() {
        ctx.verifications.status_is_current(key, &content.verification);
    }
    written
}

type CarriedOut = (Plan, Outcome, Option<Arc<Resolved>>);

/// Observes, plans and acts; repeats this once if a create found something that was not known before.
async fn carry_out(
    ctx: &Context,
    key: &Key,
    object: &LeanPresignedUrl,
    history: &History,
    reads: Option<Awaited>,
) -> CarriedOut {
    let object = &match complete_spec(ctx, object).await {
        Ok(object) => object,
        Err(failure) => return interrupted(ctx, object, &failure),
    };
    let mut found = None;
    let mut failure: Option<Failure> = None;
    loop {
        let is_last = failure.is_some();
        let observed = match observe(ctx, key, object, history, reads, found.take()).await {
            Ok(observed) => observed,
            // The observation is incomplete, for a reason that is not a fault of the object.
            Err(failure) => return interrupted(ctx, object, &failure),
        };
        let plan = plan(&observed.observation());
        ctx.verifications.saw(key, &plan.seen);
        let acted = match failure.take() {
            // The create failed, and the target does not exist: either the Secret that it met was
            // deleted meanwhile, or the create failed for another reason.
            Some(failure) if plan.creates() => Err(failure.or_outdated()),
            _ => match carry_out_action(ctx, object, &observed, &plan).await {
                Ok(Acted::Found(seen, why)) if !is_last => {
                    (found, failure) = (Some(*seen), Some(why));
                    continue;
                }
                Ok(Acted::Found(_, why)) => Err(why),
                Ok(Acted::Done(done)) => Ok(done),
                Err(failure) => Err(failure),
            },
        };
        let acted = end_the_rest(ctx, object, &observed, &plan, acted).await;
        let (acted, prune_at) = prune_earlier_names(ctx, object, &observed, &plan, acted).await;
        let result = acted.map_err(|failure| failure.interruption());
        let outcome = Outcome { ended_at: ctx.clock.now(), result, prune_at };
        return (plan, outcome, observed.resolved());
    }
}

/// The object with its spec. A spec that is too large for the cache is read from the API server.
///
/// # Errors
/// [`Failure::Outdated`] when the spec has changed; [`Failure::Gone`] when the object is gone; otherwise
/// the failure of the read.
async fn complete_spec<'a>(
    ctx: &Context,
    object: &'a LeanPresignedUrl,
) -> Result<Cow<'a, LeanPresignedUrl>, Failure> {
    if object.spec != Err(NoSpec::NotKept) {
        return Ok(Cow::Borrowed(object));
    }
    let owner = object.owner();
    let read = ctx.presigned_urls(&owner.namespace).get_opt(&owner.name).await;
    let read = read.map_err(|error| Failure::api("read the spec", error))?.ok_or(Failure::Gone)?;
    if read.uid() != object.uid() || read.metadata.generation != object.metadata.generation {
        return Err(Failure::Outdated);
    }
    Ok(Cow::Owned(LeanPresignedUrl { spec: read.spec, ..object.clone() }))
}

/// After the target: empties the Secrets of earlier names if the signer withdraws them, and deletes the
/// object some time after its URL ended, if the spec asks for that.
async fn end_the_rest(
    ctx: &Context,
    object: &LeanPresignedUrl,
    observed: &Observed,
    plan: &Plan,
    acted: Result<Done, Failure>,
) -> Result<Done, Failure> {
    // Whatever became of the target.
    let is_in_backoff = observed.history.backoff(&observed.inputs, observed.now).is_some();
    let withdrawn =
        if plan.withdraws && !is_in_backoff { withdraw(ctx, object, observed).await } else { Ok(()) };
    let done = acted?;
    withdrawn?;
    if plan.delete_at.is_some_and(|time| time <= ctx.clock.now()) {
        delete_after_ttl(ctx, object).await?;
    }
    Ok(done)
}

/// Deletes or releases the Secrets that were written under an earlier `spec.secret.name`, once the
/// target Secret is up to date.
async fn prune_earlier_names(
    ctx: &Context,
    object: &LeanPresignedUrl,
    observed: &Observed,
    plan: &Plan,
    acted: Result<Done, Failure>,
) -> (Result<Done, Failure>, Option<Timestamp>) {
    // Without a list of Secrets the operator does not know which ones it wrote under earlier names.
    if acted.is_err() || plan.progress != Progress::UpToDate || ctx.reads_by_name() {
        return (acted, None);
    }
    match prune(ctx, object, observed).await {
        Ok(prune_at) => (acted, prune_at),
        // The write to the target is reported first; pruning is tried again at once.
        Err(_) if !matches!(acted, Ok(Done::Nothing)) => (acted, Some(ctx.clock.now())),
        Err(failure) => (Err(failure), None),
    }
}

/// The plan and outcome of a reconcile that ended before a plan was made.
fn interrupted(ctx: &Context, object: &LeanPresignedUrl, failure: &Failure) -> CarriedOut {
    let ended_at = ctx.clock.now();
    let outcome = Outcome { ended_at, result: Err(failure.interruption()), prune_at: None };
    (unseen(ctx, object, ended_at), outcome, None)
}

/// The plan and outcome of a reconcile during the backoff after a panic. A wake does not end it.
fn in_panic_backoff(ctx: &Context, object: &LeanPresignedUrl, problem: Problem) -> CarriedOut {
    let now = ctx.clock.now();
    let outcome = Outcome { ended_at: now, result: Ok(Done::Nothing), prune_at: None };
    (unseen(ctx, object, now).fail(problem), outcome, None)
}

/// A plan to do nothing, made without an observation. The time that the reported URL has left limits
/// the backoff.
fn unseen(ctx: &Context, object: &LeanPresignedUrl, now: Timestamp) -> Plan {
    Plan::nothing(now, object.inputs(0), reported_expiration(ctx, &Key::from(object)))
}
