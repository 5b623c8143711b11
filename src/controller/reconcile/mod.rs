//! One reconcile of one `PresignedUrl`: observe, plan, act, finish, report.
//!
//! What to do and when to look again is decided in `domain` (`plan`, `finish`); this module
//! connects those decisions to the API server.

mod apply;
pub mod error;
mod observe;
mod prune;
mod report;
mod target;

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use tokio::time::Instant;

use self::apply::{Acted, act};
use self::error::Failure;
use self::observe::{Observed, observe};
use self::prune::prune;
use self::report::report;
use crate::controller::context::Context;
use crate::controller::state::lean::{LeanPresignedUrl, NoSpec};
use crate::controller::watch::forget_if_gone;
use crate::domain::Request;
use crate::domain::finish::{Around, Done, Finish, Next, Outcome, finish, unreported};
use crate::domain::history::{Awaited, History};
use crate::domain::plan::{Plan, plan};
use crate::domain::status::{Problem, Progress};
use crate::runtime::Key;
use crate::runtime::schedule::{self, Cause, Job};

/// How long a standby leaves an object alone; the beginning of a term wakes all of them.
const UNTIL_NEXT_TERM: Duration = Duration::from_secs(3600);
/// How soon to look again whether a predecessor's Secret has been collected.
const COLLECTION: Duration = Duration::from_secs(5);

/// Reconciles one object, and says when to do that again.
pub async fn reconcile(job: Job<Key>, ctx: Arc<Context>) -> schedule::Next {
    let Some(term) = ctx.leadership.term() else {
        return schedule::Next::after(UNTIL_NEXT_TERM, Cause::Timer);
    };
    if !ctx.synced.is_complete(job.key.namespace()) {
        return ctx.when(Next::OnChange(None));
    }
    let Some(object) = ctx.objects.get(&job.key) else {
        ctx.queue.remove_unless_woken(&job.key);
        return ctx.when(Next::OnChange(None));
    };
    if object.is_being_deleted() {
        return ctx.when(Next::OnChange(None));
    }
    ctx.begin_term(term);
    let started = Instant::now();
    let (finish, next) = pursue(&ctx, &job, &object).await;
    // Its end may have come while this went on, and was cleaned up after before this ended.
    forget_if_gone(&ctx, &job.key);
    ctx.metrics.reconciled(finish.label, started.elapsed().as_secs_f64());
    match &finish.report {
        // Without a watch nobody tells when it is collected.
        Some(told) if told.progress == Progress::AwaitingCollection && ctx.reads_by_name() => {
            schedule::Next::after(COLLECTION, Cause::SafetyNet)
        }
        _ => ctx.when(next),
    }
}

async fn pursue(ctx: &Context, job: &Job<Key>, object: &LeanPresignedUrl) -> (Finish, Next) {
    let history = ctx.histories.get(&job.key, object.uid());
    // What a watch may have missed is read, once for all that wait for it.
    let looks_at = match job.cause {
        Cause::SafetyNet => history.awaits(),
        Cause::Timer | Cause::Woken => history.overdue(ctx.clock.now()),
    };
    let carried_out = if let Some(problem) = history.held_by_panic(&object.inputs(0), ctx.clock.now()) {
        Ok(held(ctx, object, problem.clone()))
    } else {
        // A bug must not stop what it does not concern.
        AssertUnwindSafe(carry_out(ctx, &job.key, object, &history, looks_at)).catch_unwind().await
    };
    let (plan, outcome, request) = carried_out.unwrap_or_else(|_| panicked(ctx, object));
    let around = Around {
        generation: object.metadata.generation,
        pods: ctx.pods.sight(object, request.as_deref()),
        is_clock_skewed: ctx.skew.is_skewed(),
        is_renew_refused: request.as_ref().is_some_and(|request| request.is_renew_refused),
        has_looked: looks_at.is_some(),
    };
    let finish = finish(&plan, &outcome, &history, around);
    if let Some(reason) = finish.failure {
        ctx.metrics.failed(reason);
    }
    let told = match &finish.report {
        Some(told) => report(ctx, object, told, finish.issued).await,
        None => Ok(()),
    };
    if let Some(told) = &finish.report {
        ctx.pods.note(&job.key, request.as_deref(), told, finish.issued);
    }
    let (history, next) = match told {
        Ok(()) => {
            let mut history = finish.history.clone();
            history.reported();
            (history, finish.next)
        }
        Err(failure) => {
            tracing::debug!(namespace = job.key.namespace(), name = job.key.name(), "{failure}");
            unreported(&finish, &plan, &failure.interruption(), ctx.clock.now())
        }
    };
    ctx.histories.set(&job.key, object.uid(), history);
    (finish, next)
}

type CarriedOut = (Plan, Outcome, Option<Arc<Request>>);

/// Observes, plans and acts; once more if acting showed what was not known before.
async fn carry_out(
    ctx: &Context,
    key: &Key,
    object: &LeanPresignedUrl,
    history: &History,
    looks_at: Option<Awaited>,
) -> CarriedOut {
    let object = &match whole(ctx, object).await {
        Ok(object) => object,
        Err(failure) => return interrupted(ctx, object, &failure),
    };
    let mut found = None;
    let mut failure: Option<Failure> = None;
    loop {
        let is_last = failure.is_some();
        let observed = match observe(ctx, key, object, history, looks_at, found.take()).await {
            Ok(observed) => observed,
            // Nothing is known of the object, and nothing is wrong with it.
            Err(failure) => return interrupted(ctx, object, &failure),
        };
        let plan = plan(&observed.observation());
        let acted = match failure.take() {
            // It was tried, and nothing stands in the way: it went meanwhile, or the failure was real.
            Some(failure) if plan.creates() => Err(failure.or_outdated()),
            _ => match act(ctx, object, &observed, &plan).await {
                Ok(Acted::Found(seen, why)) if !is_last => {
                    (found, failure) = (Some(seen), Some(why));
                    continue;
                }
                Ok(Acted::Found(_, why)) => Err(why),
                Ok(Acted::Done(done)) => Ok(done),
                Err(failure) => Err(failure),
            },
        };
        let (acted, prune_at) = settle_earlier_names(ctx, object, &observed, &plan, acted).await;
        let result = acted.map_err(|failure| failure.interruption());
        let outcome = Outcome { ended_at: ctx.clock.now(), result, prune_at };
        return (plan, outcome, observed.request());
    }
}

/// The object with its spec, which is read if it is too large to be kept.
///
/// # Errors
/// [`Failure::Outdated`] when the spec is another one by now; what the API server or the way to it
/// answered.
async fn whole<'a>(
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

/// Deletes or releases what was written under an earlier `spec.secret.name`, once the target is
/// right.
async fn settle_earlier_names(
    ctx: &Context,
    object: &LeanPresignedUrl,
    observed: &Observed,
    plan: &Plan,
    acted: Result<Done, Failure>,
) -> (Result<Done, Failure>, Option<Timestamp>) {
    // Without a list nobody knows what was written under an earlier name.
    if acted.is_err() || plan.progress != Progress::Settled || ctx.reads_by_name() {
        return (acted, None);
    }
    match prune(ctx, object, observed).await {
        Ok(prune_at) => (acted, prune_at),
        // What was written is told first; the rest is tried again.
        Err(_) if !matches!(acted, Ok(Done::Nothing)) => (acted, Some(ctx.clock.now())),
        Err(failure) => (Err(failure), None),
    }
}

/// What is left to say of a reconcile that ended before there was a plan.
fn interrupted(ctx: &Context, object: &LeanPresignedUrl, failure: &Failure) -> CarriedOut {
    let ended_at = ctx.clock.now();
    let outcome = Outcome { ended_at, result: Err(failure.interruption()), prune_at: None };
    (unseen(ctx, object, ended_at), outcome, None)
}

/// What is left to say while the backoff after a panic goes on, whatever wakes the object.
fn held(ctx: &Context, object: &LeanPresignedUrl, problem: Problem) -> CarriedOut {
    let now = ctx.clock.now();
    let outcome = Outcome { ended_at: now, result: Ok(Done::Nothing), prune_at: None };
    (unseen(ctx, object, now).held(problem), outcome, None)
}

/// A plan to do nothing, made without looking. What the reported URL has left says how soon to try
/// again.
fn unseen(ctx: &Context, object: &LeanPresignedUrl, now: Timestamp) -> Plan {
    let expiration = ctx.objects.times(&Key::from(object)).map(|times| times.expiration);
    let expiration = expiration.and_then(|time| Timestamp::from_second(time).ok());
    Plan::unseen(now, object.inputs(0), expiration)
}

/// What is left to say of a reconcile that panicked.
fn panicked(ctx: &Context, object: &LeanPresignedUrl) -> CarriedOut {
    ctx.metrics.panicked();
    interrupted(ctx, object, &Failure::Panicked)
}
