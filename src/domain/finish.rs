//! The second pure step of a reconcile: from what came of a plan to the report, the time of the
//! next reconcile, and what to remember.

use jiff::{SignedDuration, Timestamp};

use super::history::{Awaited, History};
use super::plan::Plan;
use super::pods::PodSight;
use super::reason::{Disposition, FailureReason, IssueReason};
use super::status::{Problem, Progress, Report, Seen, Standing};

/// How often something may be refused or found outdated before a person is told.
const TOLD_AFTER: u32 = 3;

/// What came of carrying out a plan.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// When it was over.
    pub ended_at: Timestamp,
    /// How it ended.
    pub result: Result<Done, Interruption>,
    /// When a Secret of an earlier name is to go.
    pub prune_at: Option<Timestamp>,
}

/// What was done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Done {
    /// Nothing, as planned.
    Nothing,
    /// A new URL was written.
    Issued(Standing),
    /// The same URL was written again.
    Repaired,
}

/// Why a plan was not carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Interruption {
    /// It failed.
    Failed {
        /// Why, for a person to read.
        problem: Problem,
        /// How long the API server asks to be left alone, in seconds.
        retry_after: Option<u32>,
    },
    /// What it was made for is no longer how things stand.
    Outdated,
    /// The object changed before its status was written: the watch shows it, and wakes it.
    Superseded,
    /// The API server is too busy.
    Overloaded {
        /// How long it asks to be left alone, in seconds.
        retry_after: Option<u32>,
    },
    /// Another process leads, and its first reconciles look at everything.
    LostLease,
    /// The object or its namespace is being deleted, and nothing may be written for it.
    Gone,
}

/// When the next reconcile is due. There is no "never": an object is forgotten by its deletion
/// alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Next {
    /// At this time; at once if it has passed.
    At(Timestamp),
    /// When something changes, at this time at the latest, and in any case when the safety net
    /// comes.
    OnChange(Option<Timestamp>),
}

/// How a reconcile ends.
#[derive(Clone, Debug)]
pub struct Finish {
    /// What to report; nothing where there is nothing to tell.
    pub report: Option<Report>,
    /// When to reconcile again.
    pub next: Next,
    /// What to remember.
    pub history: History,
    /// Why a new URL was issued, if one was.
    pub issued: Option<IssueReason>,
    /// One word for the metrics.
    pub label: &'static str,
    /// A failure that is new: the metrics count it.
    pub failure: Option<FailureReason>,
}

/// What else a report tells of.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Generation of the spec that was acted on.
    pub generation: Option<i64>,
    /// What is known of the pods that use the target Secret.
    pub pods: PodSight,
    /// Whether the clock of the operator and that of the API server differ.
    pub is_clock_skewed: bool,
    /// Whether the token of the renew annotation is too long.
    pub is_renew_refused: bool,
    /// Whether what is waited for was read from the API server.
    pub has_looked: bool,
}

/// Finishes.
#[must_use]
pub fn finish(plan: &Plan, outcome: &Outcome, history: &History, around: Around) -> Finish {
    let mut history = history.clone();
    let now = outcome.ended_at;
    let issued = issued(plan, outcome);
    match &outcome.result {
        Ok(Done::Issued(standing)) if plan.is_contested() => {
            history.contested(&plan.inputs, now, Some(standing.validity.lifetime));
        }
        // What was repaired keeps its URL, and a renewal of that waits for nothing.
        Ok(Done::Repaired) if plan.is_contested() => history.contested(&plan.inputs, now, None),
        _ => {}
    }
    let mut retry_at = plan.contested_until;
    let mut failure = None;
    let progress = match &outcome.result {
        Ok(_) => plan.progress.clone(),
        Err(interruption) => match told(interruption, &mut history, now) {
            Told::Failed(problem, at_least) => {
                failure = Some(problem.reason);
                retry_at = Some(history.failed(&plan.inputs, &problem, now, plan.left(now), at_least));
                Progress::Failed(problem)
            }
            Told::Nothing(next) => {
                let next = earliest(next, plan, outcome, &plan.seen);
                return Finish { report: None, next, history, issued, label: "left", failure };
            }
        },
    };
    let seen = match &outcome.result {
        Ok(Done::Issued(standing)) => Seen::Url(standing.clone()),
        _ => plan.seen.clone(),
    };
    let is_held = history.held(&plan.inputs, now);
    if failure.is_none() {
        match (&progress, is_held) {
            // It was not tried again, since a backoff goes on.
            (Progress::Failed(problem), Some((held, until))) if problem == held => retry_at = Some(until),
            (Progress::Failed(problem), _) => {
                failure = Some(problem.reason);
                if problem.disposition == Disposition::Retry && plan.contested_until.is_none() {
                    let left = plan.left(now);
                    retry_at = Some(history.failed(&plan.inputs, problem, now, left, None));
                }
            }
            _ => history.succeeded(now),
        }
    }
    history.set_awaits(awaits(&progress), around.has_looked, now);
    let next = next(&progress, retry_at);
    let mut next = earliest(next, plan, outcome, &seen);
    if plan.reads_first && matches!(outcome.result, Ok(Done::Issued(_) | Done::Repaired)) {
        // A patch begins no record where there was none: an apply may have to follow.
        let soon = history.contested_until(None, &plan.inputs, now).unwrap_or(later(now, 1));
        next = next.or_at(soon);
    }
    let label = label(&progress, issued);
    let Around { generation, pods, is_clock_skewed, is_renew_refused, .. } = around;
    let report = Report {
        generation,
        secret_name: plan.secret_name.clone(),
        credentials_name: plan.credentials_name.clone(),
        seen,
        progress,
        hints: plan.hints.clone(),
        pods,
        is_clock_skewed,
        is_renew_refused,
    };
    Finish { report: Some(report), next, history, issued, label, failure }
}

/// What is remembered, and when the next reconcile is due, after a status could not be written.
pub fn unreported(finish: &Finish, plan: &Plan, why: &Interruption, now: Timestamp) -> (History, Next) {
    let mut history = finish.history.clone();
    let at_least = match why {
        Interruption::LostLease | Interruption::Gone => return (history, finish.next),
        Interruption::Outdated | Interruption::Superseded => None,
        Interruption::Failed { retry_after, .. } | Interruption::Overloaded { retry_after } => *retry_after,
    };
    let retry_at = history.unreported(now, plan.left(now), at_least);
    (history, finish.next.or_at(retry_at))
}

impl Next {
    /// The same, and at `time` at the latest.
    fn or_at(self, time: Timestamp) -> Self {
        match self {
            Self::At(at) => Self::At(at.min(time)),
            Self::OnChange(at) => Self::OnChange(Some(at.map_or(time, |at| at.min(time)))),
        }
    }
}

enum Told {
    /// A person is told.
    Failed(Problem, Option<u32>),
    /// Nobody is.
    Nothing(Next),
}

fn told(interruption: &Interruption, history: &mut History, now: Timestamp) -> Told {
    let soon = |seconds| Told::Nothing(Next::At(later(now, seconds)));
    match interruption {
        Interruption::Failed { problem, retry_after } => Told::Failed(problem.clone(), *retry_after),
        Interruption::Superseded => soon(1),
        Interruption::Outdated if history.outdated() < TOLD_AFTER => soon(1),
        Interruption::Outdated => {
            let message =
                "the PresignedUrl or its Secret changed while it was written, again and again".to_owned();
            Told::Failed(Problem::new(FailureReason::ApiError, message), None)
        }
        Interruption::Overloaded { retry_after } if history.overloaded() < TOLD_AFTER => {
            soon(retry_after.unwrap_or(1).max(1))
        }
        Interruption::Overloaded { retry_after } => {
            let message = "the API server is too busy: it answers 429".to_owned();
            Told::Failed(Problem::new(FailureReason::ApiError, message), *retry_after)
        }
        Interruption::LostLease | Interruption::Gone => Told::Nothing(Next::OnChange(None)),
    }
}

fn later(now: Timestamp, seconds: u32) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

fn issued(plan: &Plan, outcome: &Outcome) -> Option<IssueReason> {
    plan.action.reason().filter(|_| matches!(outcome.result, Ok(Done::Issued(_))))
}

/// What is waited for that a watch tells of.
fn awaits(progress: &Progress) -> Option<Awaited> {
    match progress {
        Progress::AwaitingCredentials => Some(Awaited::Credentials),
        Progress::AwaitingCollection => Some(Awaited::Target),
        Progress::Failed(problem) => match (problem.disposition, problem.reason) {
            (Disposition::Waiting, _) => Some(Awaited::Credentials),
            (Disposition::UserMustAct, FailureReason::SecretConflict) => Some(Awaited::Target),
            _ => None,
        },
        Progress::Settled | Progress::Suspended => None,
    }
}

fn next(progress: &Progress, retry_at: Option<Timestamp>) -> Next {
    match progress {
        Progress::Settled => retry_at.map_or(Next::OnChange(None), Next::At),
        Progress::Suspended | Progress::AwaitingCredentials | Progress::AwaitingCollection => {
            Next::OnChange(retry_at)
        }
        Progress::Failed(problem) => match problem.disposition {
            Disposition::Retry => retry_at.map_or(Next::OnChange(None), Next::At),
            Disposition::Waiting | Disposition::UserMustAct => Next::OnChange(retry_at),
        },
    }
}

/// The same, or earlier where a planned time comes first: renewal, expiry, pruning. A time that
/// came after the plan was made was not looked at yet, even if it has passed since.
fn earliest(next: Next, plan: &Plan, outcome: &Outcome, seen: &Seen) -> Next {
    let is_suspended = plan.progress == Progress::Suspended;
    let renewal = match seen {
        Seen::Url(standing) if !is_suspended => Some(standing.renewal_time),
        _ => None,
    };
    let times = [renewal, seen.expiration()].into_iter().flatten().filter(|time| *time > plan.made_at);
    // Pruning looked at the time by itself.
    let first = times.chain(outcome.prune_at).min();
    match (next, first) {
        (next, None) => next,
        // All is well, and these times are all that is planned.
        (Next::OnChange(None), Some(first)) if plan.progress == Progress::Settled => Next::At(first),
        (next, Some(first)) => next.or_at(first),
    }
}

fn label(progress: &Progress, issued: Option<IssueReason>) -> &'static str {
    match progress {
        Progress::Settled if issued.is_some() => "issued",
        Progress::Settled => "kept",
        Progress::Suspended | Progress::AwaitingCredentials | Progress::AwaitingCollection => "waiting",
        Progress::Failed(_) => "failed",
    }
}

#[cfg(test)]
mod tests;
