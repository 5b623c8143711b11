//! One reconcile of one `PresignedUrl`: observe, plan, act, finish, report.
//!
//! `domain` decides what to do and when to reconcile again (`plan`, `finish`); this module connects
//! those decisions to the API server.

mod apply;
mod carry_out;
pub(super) mod credentials;
pub mod error;
mod observe;
mod prune;
mod report;
pub(super) mod resolve;
mod target;
mod ttl;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::carry_out::{CarriedOut, carry_out, in_panic_backoff, interrupted};
use self::error::Failure;
use self::report::report;
use crate::controller::caught::caught;
use crate::controller::context::Context;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::watch::forget_if_gone;
use crate::domain::Request;
use crate::domain::finish::{Finish, Next, ReportContext, finish, status_not_written};
use crate::domain::status::Progress;
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
    let CarriedOut { plan, outcome, resolved } =
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
