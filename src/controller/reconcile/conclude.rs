//! How a pass ends: it is reported, and the next look is set.

use std::time::Duration;

use jiff::Timestamp;

use crate::controller::context::{Context, SAFETY_NET};
use crate::controller::reconcile::Passage;
use crate::controller::reconcile::error::Failure;
use crate::controller::reconcile::report::report;
use crate::controller::state::attempts::Cause;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::domain::reason::Disposition;
use crate::domain::status::{Outcome, Problem, Progress, Seen};

/// How a pass ended, and when the next one is due.
pub(super) struct Conclusion {
    /// One word for the metrics.
    pub(super) label: &'static str,
    /// After how long to look again; when something changes, if `None`.
    pub(super) next: Option<Duration>,
}

/// Reports, and says when to look again. There is always a look at the expiry itself.
pub(super) async fn conclude(
    ctx: &Context,
    object: &LeanPresignedUrl,
    pass: Passage,
    result: Result<Progress, Failure>,
) -> Conclusion {
    let mut wait = None;
    let progress = match result {
        Ok(progress) => progress,
        Err(failure) => match failure.problem() {
            None => return Conclusion { label: "left", next: None },
            Some(problem) => {
                let is_new = !matches!(failure, Failure::Held(_));
                if is_new {
                    ctx.metrics.failed(problem.reason);
                }
                wait = Some(retry(ctx, object, &pass, &failure, &problem, is_new));
                Progress::Failed(problem)
            }
        },
    };
    let outcome = Outcome {
        generation: object.metadata.generation,
        secret_name: pass.request.as_ref().map(|request| request.target.name.clone()),
        credentials_name: pass.request.as_ref().map(|request| request.credentials.name.clone()),
        seen: pass.seen,
        progress,
        pods: ctx.pods.sight(object, pass.request.as_deref()),
    };
    if let Err(error) = report(ctx, object, &outcome, pass.issued).await {
        let failure = Failure::api("write the status", error);
        tracing::debug!(namespace = pass.owner.namespace, name = pass.owner.name, "{failure}");
        // What already waits needs no second backoff on top of its own.
        wait = wait.or_else(|| {
            let left = left(ctx, &outcome.seen);
            let cause = Cause::Failed(failure.problem()?);
            Some(ctx.attempts.note(object, cause, left, failure.retry_after()))
        });
    }
    ctx.pods.note(&pass.owner, pass.request.as_deref(), &outcome, pass.issued);
    let label = match &outcome.progress {
        Progress::Settled if pass.issued.is_some() => "issued",
        Progress::Settled => "kept",
        Progress::Suspended | Progress::AwaitingCredentials | Progress::AwaitingCollection => "waiting",
        Progress::Failed(_) => "failed",
    };
    Conclusion { label, next: next_look(ctx, object, &outcome, pass.prune_at, wait) }
}

/// How long a failure waits: until something changes, or a backoff.
fn retry(
    ctx: &Context,
    object: &LeanPresignedUrl,
    pass: &Passage,
    failure: &Failure,
    problem: &Problem,
    is_new: bool,
) -> Duration {
    match (problem.reason.disposition(), is_new) {
        (Disposition::Retry, true) => {
            let cause = Cause::Failed(problem.clone());
            ctx.attempts.note(object, cause, left(ctx, &pass.seen), failure.retry_after())
        }
        _ => ctx.attempts.hold(object).map_or(SAFETY_NET, |hold| hold.wait),
    }
}

fn next_look(
    ctx: &Context,
    object: &LeanPresignedUrl,
    outcome: &Outcome,
    prune_at: Option<Timestamp>,
    wait: Option<Duration>,
) -> Option<Duration> {
    let now = ctx.clock.now();
    let until = |time: Timestamp| {
        let seconds = time.as_second().saturating_sub(now.as_second());
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
    };
    let hold = ctx.attempts.hold(object).map(|hold| hold.wait);
    let renewal = match &outcome.seen {
        Seen::Url(standing) => until(standing.renewal_time),
        Seen::Unknown | Seen::Nothing => None,
    };
    let expiry = outcome.seen.expiration().and_then(until);
    let due = match &outcome.progress {
        Progress::Settled => hold.into_iter().chain(renewal).min(),
        Progress::Suspended => None,
        Progress::AwaitingCredentials => Some(SAFETY_NET),
        Progress::AwaitingCollection => Some(ctx.next_look_for_collection()),
        Progress::Failed(_) => wait,
    };
    let prune = prune_at.and_then(until);
    due.into_iter().chain(wait).chain(expiry).chain(prune).min()
}

/// Seconds that the stored URL has left.
pub(super) fn left(ctx: &Context, seen: &Seen) -> Option<u32> {
    let left = seen.expiration()?.as_second() - ctx.clock.now().as_second();
    u32::try_from(left).ok().filter(|left| *left > 0)
}
