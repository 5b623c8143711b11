//! The second pure step of a reconcile: from an outcome to the report, the next reconcile and the history.

mod consequence;
mod report_context;

use jiff::Timestamp;

pub use self::consequence::SESSION_WAIT;
use self::consequence::{Consequence, consequence_of};
pub use self::report_context::ReportContext;
use super::backoff::backoff;
use super::history::{Awaited, History};
use super::plan::Plan;
use super::reason::{Disposition, FailureReason, IssueReason};
use super::status::{Problem, Progress, Report, ReportedUrl, Seen};
use super::validity::plus;

/// The backoff of a renewal that waits for a longer session is that after so many failures.
const SESSION_RETRY: u32 = 5;

/// The outcome of carrying out a plan.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// When the action ended.
    pub ended_at: Timestamp,
    /// What was done, or why the plan was not carried out.
    pub result: Result<Done, Interruption>,
    /// When the next Secret of an earlier name is due to be deleted.
    pub prune_at: Option<Timestamp>,
}

impl Outcome {
    /// What the target Secret holds afterwards, as far as that is known.
    #[must_use]
    pub fn seen(&self, plan: &Plan) -> Seen {
        match &self.result {
            Ok(Done::Issued(reported)) => Seen::Url(reported.clone()),
            Ok(Done::Ended) => Seen::Nothing,
            _ => plan.seen.clone(),
        }
    }
}

/// What an action did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Done {
    /// Nothing, as planned.
    Nothing,
    /// A new URL was written.
    Issued(ReportedUrl),
    /// The same URL was written again.
    Repaired,
    /// The URL was emptied.
    Ended,
}

/// Why a plan was not carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Interruption {
    /// The action failed.
    Failed {
        /// Why it failed, for the status.
        problem: Problem,
        /// How long the API server asks clients to wait, in seconds.
        retry_after: Option<u32>,
    },
    /// What the plan was made from has changed.
    Outdated,
    /// The object changed before its status was written. The watch shows the change and wakes it.
    Superseded,
    /// The API server is overloaded.
    Overloaded {
        /// How long the API server asks clients to wait, in seconds.
        retry_after: Option<u32>,
    },
    /// Another process leads. It reconciles every object when its term begins.
    LostLease,
    /// A session was asked for, and wakes the object when it is there.
    AwaitingSession,
    /// The object or its namespace is being deleted, so nothing may be written for it.
    Gone,
}

/// When the next reconcile is due. There is no "never": an object leaves the queue only when it is
/// deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Next {
    /// At this time, or at once if it has passed.
    At(Timestamp),
    /// When something changes, but at this time at the latest, and in any case after the time of the
    /// safety net.
    OnChange(Option<Timestamp>),
}

/// The results of a reconcile.
#[derive(Clone, Debug)]
pub struct Finish {
    /// What to report; `None` when the status stays as it is.
    pub report: Option<Report>,
    /// When to reconcile again.
    pub next: Next,
    /// The history for the next reconcile.
    pub history: History,
    /// Why a new URL was issued; `None` if none was.
    pub issued: Option<IssueReason>,
    /// The outcome as a label value of the metrics.
    pub label: &'static str,
    /// The reason of a failure that is counted by the metrics; `None` while a backoff goes on.
    pub failure: Option<FailureReason>,
}

/// Finishes a reconcile.
#[must_use]
pub fn finish(plan: &Plan, outcome: &Outcome, history: &History, context: ReportContext) -> Finish {
    let mut history = history.clone();
    let now = outcome.ended_at;
    let issued = issued(plan, outcome);
    note_contest(&mut history, plan, outcome);
    let (progress, failure, mut retry_at) = match &outcome.result {
        Ok(_) => as_planned(plan, &mut history, now),
        Err(interruption) => match consequence_of(interruption, &mut history, now) {
            Consequence::Failed(problem, at_least) => {
                let retry_at = history.failed(&plan.inputs, &problem, now, plan.left(now), at_least);
                let failure = problem.reason;
                (Progress::Failed(problem), Some(failure), Some(retry_at))
            }
            Consequence::Nothing(next) => {
                let next = earliest(next, plan, outcome, &plan.seen);
                return Finish { report: None, next, history, issued, label: "left", failure: None };
            }
        },
    };
    let seen = outcome.seen(plan);
    if plan.has_session && progress == Progress::AwaitingCredentials {
        retry_at = Some(plus(now, backoff(SESSION_RETRY, plan.left(now))));
    }
    history.set_awaits(Awaited::of(&progress), context.has_read, now);
    let mut next = earliest(next_run(&progress, retry_at), plan, outcome, &seen);
    if plan.reads_first && matches!(outcome.result, Ok(Done::Issued(_) | Done::Repaired)) {
        // A patch creates no apply entry in `managedFields`, so an apply may have to follow.
        let soon = history.contested_until(None, &plan.inputs, now).unwrap_or(plus(now, 1));
        next = next.or_at(soon);
    }
    let label = label(&progress, issued);
    let ReportContext { generation, pods, verification, is_clock_skewed, is_renew_refused, .. } = context;
    let report = Report {
        generation,
        secret_name: plan.secret_name.clone(),
        credentials_place: plan.credentials_place.clone(),
        has_session: plan.has_session,
        permission: plan.permission.clone(),
        seen,
        progress,
        hints: plan.hints.clone(),
        pods,
        verification,
        is_clock_skewed,
        is_renew_refused,
    };
    Finish { report: Some(report), next, history, issued, label, failure }
}

/// Notes a write that other clients may undo, so that the next one of its kind waits.
fn note_contest(history: &mut History, plan: &Plan, outcome: &Outcome) {
    let now = outcome.ended_at;
    match &outcome.result {
        Ok(Done::Issued(reported)) if plan.is_contested => {
            history.contested(&plan.inputs, now, Some(reported.validity.lifetime));
        }
        // A repair keeps the URL, so the backoff is not limited by the lifetime of a new one.
        Ok(Done::Repaired | Done::Ended) if plan.is_contested => history.contested(&plan.inputs, now, None),
        _ => {}
    }
}

/// The progress after the action was carried out, the reason of a new failure, and when to try again.
fn as_planned(
    plan: &Plan,
    history: &mut History,
    now: Timestamp,
) -> (Progress, Option<FailureReason>, Option<Timestamp>) {
    let progress = plan.progress.clone();
    let (mut failure, mut retry_at) = (None, plan.contested_until);
    match (&progress, history.backoff(&plan.inputs, now)) {
        // The action was not tried again, because a backoff goes on.
        (Progress::Failed(problem), Some((last, until))) if problem == last => retry_at = Some(until),
        (Progress::Failed(problem), _) => {
            failure = Some(problem.reason);
            if problem.disposition != Disposition::Retry {
                history.succeeded(now);
            } else if plan.contested_until.is_none() {
                retry_at = Some(history.failed(&plan.inputs, problem, now, plan.left(now), None));
            }
        }
        _ => history.succeeded(now),
    }
    (progress, failure, retry_at)
}

/// The history and the next reconcile after a status could not be written.
pub fn status_not_written(
    finish: &Finish,
    plan: &Plan,
    why: &Interruption,
    now: Timestamp,
) -> (History, Next) {
    let mut history = finish.history.clone();
    let at_least = match why {
        Interruption::LostLease | Interruption::AwaitingSession | Interruption::Gone => {
            return (history, finish.next);
        }
        Interruption::Outdated | Interruption::Superseded => None,
        Interruption::Failed { retry_after, .. } | Interruption::Overloaded { retry_after } => *retry_after,
    };
    let retry_at = history.status_not_written(now, plan.left(now), at_least);
    (history, finish.next.or_at(retry_at))
}

impl Next {
    /// The same, but at `time` at the latest.
    fn or_at(self, time: Timestamp) -> Self {
        match self {
            Self::At(at) => Self::At(at.min(time)),
            Self::OnChange(at) => Self::OnChange(Some(at.map_or(time, |at| at.min(time)))),
        }
    }
}

fn issued(plan: &Plan, outcome: &Outcome) -> Option<IssueReason> {
    plan.action.reason().filter(|_| matches!(outcome.result, Ok(Done::Issued(_))))
}

fn next_run(progress: &Progress, retry_at: Option<Timestamp>) -> Next {
    match progress {
        Progress::UpToDate => retry_at.map_or(Next::OnChange(None), Next::At),
        Progress::Suspended
        | Progress::AwaitingCredentials
        | Progress::AwaitingCollection
        | Progress::Ended { .. } => Next::OnChange(retry_at),
        Progress::Failed(problem) => match problem.disposition {
            Disposition::Retry => retry_at.map_or(Next::OnChange(None), Next::At),
            Disposition::Waiting | Disposition::UserMustAct => Next::OnChange(retry_at),
        },
    }
}

/// The earlier of `next` and the planned times: renewal, expiry, pruning. A time after the plan was made
/// still counts, even if it has passed since, because the plan did not consider it.
fn earliest(next: Next, plan: &Plan, outcome: &Outcome, seen: &Seen) -> Next {
    let is_suspended = plan.progress == Progress::Suspended;
    let renewal = match seen {
        Seen::Url(reported) if !is_suspended => reported.renewal_time,
        _ => None,
    };
    let times = [renewal, seen.expiration()].into_iter().flatten().filter(|time| *time > plan.made_at);
    // A deletion that is due has been tried, and is tried again with backoff.
    let delete_at = plan.delete_at.filter(|time| *time > outcome.ended_at);
    // `prune_at` counts in any case: pruning compares it with the clock itself.
    let first = times.chain(delete_at).chain(outcome.prune_at).min();
    match (next, first) {
        (next, None) => next,
        // The URL is up to date, and nothing else is planned.
        (Next::OnChange(None), Some(first)) if plan.progress == Progress::UpToDate => Next::At(first),
        (next, Some(first)) => next.or_at(first),
    }
}

fn label(progress: &Progress, issued: Option<IssueReason>) -> &'static str {
    match progress {
        Progress::UpToDate if issued.is_some() => "issued",
        Progress::UpToDate => "kept",
        Progress::Ended { .. } => "ended",
        Progress::Suspended | Progress::AwaitingCredentials | Progress::AwaitingCollection => "waiting",
        Progress::Failed(_) => "failed",
    }
}

#[cfg(test)]
mod tests;
