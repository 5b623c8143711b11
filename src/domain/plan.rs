//! The first pure step of a reconcile: from an observation to a plan.

mod problems;

use jiff::Timestamp;

use self::problems::{conflict, contested, fixed};
use super::decision::{Case, Decision, Obstacle, decide, is_planted, issue_reason};
use super::history::{History, Inputs, is_contested};
use super::reason::{FailureReason, IssueReason};
use super::status::{Problem, Progress, Seen, Standing};
use super::stored::Content;
use super::{Credentials, Owner, Ownership, Request, Stored, Validity};

/// Everything that was observed about one object.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// When the observation began.
    pub now: Timestamp,
    /// Namespace, name and UID of the object.
    pub owner: &'a Owner,
    /// Hash of the UID of the object, which spreads renewals.
    pub seed: u32,
    /// The inputs of the reconcile, which a failure is noted with.
    pub inputs: &'a Inputs,
    /// Whether the status reports a URL.
    pub was_issued: bool,
    /// When that URL expires.
    pub reported_expiration: Option<Timestamp>,
    /// The parsed spec, or why it cannot be acted on.
    pub request: Result<&'a Request, Problem>,
    /// The target Secret, whichever owner it has, or why it could not be read.
    pub target: Result<Option<&'a Stored>, Problem>,
    /// The credentials, or why there are none.
    pub credentials: Result<&'a Credentials, Problem>,
    /// The target Secret, rendered again at its own signing time, or why that is not possible; `None`
    /// when its URL cannot be read.
    pub rendered: Result<Option<Rendering<'a>>, Problem>,
    /// The history of the object.
    pub history: &'a History,
}

/// The stored Secret, rendered again at its own signing time.
#[derive(Clone, Copy, Debug)]
pub struct Rendering<'a> {
    /// The content of the Secret, for comparison.
    pub content: &'a Content,
    /// The address of the object in the store, without the query.
    pub location: &'a str,
}

/// What to do, and what the report needs from the observation.
#[derive(Clone, Debug)]
pub struct Plan {
    /// When the plan was made. It does not consider times after this one.
    pub made_at: Timestamp,
    /// What to do about the target Secret.
    pub action: Action,
    /// What the target Secret holds before the action.
    pub seen: Seen,
    /// When the last reported URL expires, if the plan was made without an observation.
    pub reported_expiration: Option<Timestamp>,
    /// The progress that the report shows unless the action fails.
    pub progress: Progress,
    /// Until when a contested write has to wait.
    pub contested_until: Option<Timestamp>,
    /// The inputs of the reconcile, which a failure is noted with.
    pub inputs: Inputs,
    /// Name of the target Secret, if the spec is valid.
    pub secret_name: Option<String>,
    /// Name of the credentials Secret, if the spec is valid.
    pub credentials_name: Option<String>,
    /// Hints for the user who wrote the spec.
    pub hints: Vec<String>,
    /// Whether the whole target has to be read before it is written. Then other managers own some of our
    /// fields in it, so an apply may leave behind fields that are no longer rendered.
    pub reads_first: bool,
    /// Whether the action repeats an earlier one because of what other clients did.
    pub is_contested: bool,
}

/// An action on the target Secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Action {
    /// Do nothing.
    Nothing,
    /// Sign a URL and create the Secret with it.
    Create {
        /// Why a URL is issued.
        reason: IssueReason,
        /// When the URL works.
        validity: Validity,
    },
    /// Sign a URL and write it into the Secret, which is ours.
    Replace {
        /// Why a new URL is issued.
        reason: IssueReason,
        /// When the URL works.
        validity: Validity,
    },
    /// Write the same URL again, because another field of the Secret differs.
    Repair,
}

impl Action {
    /// Why a new URL is issued; `None` when none is.
    #[must_use]
    pub fn reason(self) -> Option<IssueReason> {
        match self {
            Self::Create { reason, .. } | Self::Replace { reason, .. } => Some(reason),
            Self::Nothing | Self::Repair => None,
        }
    }
}

impl Plan {
    /// A plan to do nothing, made at `made_at` without an observation. The last report says when the
    /// URL expires.
    #[must_use]
    pub fn nothing(made_at: Timestamp, inputs: Inputs, reported_expiration: Option<Timestamp>) -> Self {
        Self {
            made_at,
            action: Action::Nothing,
            seen: Seen::Unknown,
            reported_expiration,
            progress: Progress::UpToDate,
            contested_until: None,
            inputs,
            secret_name: None,
            credentials_name: None,
            hints: Vec::new(),
            reads_first: false,
            is_contested: false,
        }
    }

    /// Whether the action creates the Secret.
    #[must_use]
    pub fn creates(&self) -> bool {
        matches!(self.action, Action::Create { .. })
    }

    /// Whether the action signs a new URL.
    #[must_use]
    pub fn signs(&self) -> bool {
        matches!(self.action, Action::Create { .. } | Action::Replace { .. })
    }

    /// The seconds that the stored URL has left at `now`; `None` when it has expired or there is none.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Option<u32> {
        let expiration =
            if self.seen == Seen::Unknown { self.reported_expiration } else { self.seen.expiration() };
        let left = expiration?.as_second() - now.as_second();
        u32::try_from(left).ok().filter(|left| *left > 0)
    }

    /// The same plan without its action. The status reports `problem`.
    #[must_use]
    pub fn fail(self, problem: Problem) -> Self {
        Self { action: Action::Nothing, is_contested: false, progress: Progress::Failed(problem), ..self }
    }

    fn wait(self, progress: Progress) -> Self {
        Self { progress, ..self }
    }
}

/// Makes a plan. If no decision is possible, the plan does nothing and its progress says why.
#[must_use]
pub fn plan(observation: &Observation<'_>) -> Plan {
    let Observation { now, request, inputs, .. } = observation;
    let plan = Plan {
        secret_name: request.as_ref().ok().map(|request| request.target.name.clone()),
        credentials_name: request.as_ref().ok().map(|request| request.credentials.name.clone()),
        hints: request.as_ref().map(|request| request.hints()).unwrap_or_default(),
        ..Plan::nothing(*now, (*inputs).clone(), observation.reported_expiration)
    };
    let request = match request {
        Ok(request) => *request,
        Err(problem) => return plan.fail(problem.clone()),
    };
    let stored = match &observation.target {
        Err(problem) => return plan.fail(problem.clone()),
        Ok(stored) => *stored,
    };
    match stored.map(|stored| (stored, Ownership::of(stored, observation.owner))) {
        None | Some((_, Ownership::Ours)) => {}
        Some((_, Ownership::Predecessors)) => {
            return Plan { seen: Seen::Nothing, ..plan }.wait(Progress::AwaitingCollection);
        }
        Some((stored, Ownership::Foreign)) => {
            return Plan { seen: Seen::Nothing, ..plan }.fail(conflict(stored, request));
        }
    }
    let rendering = observation.rendered.as_ref().ok().copied().flatten();
    let case = Case {
        now: *now,
        request,
        stored,
        rendered: rendering.map(|rendering| rendering.content),
        credentials: observation.credentials.as_ref().ok().copied(),
        seed: observation.seed,
    };
    let plan = Plan { seen: seen(&case, observation.rendered.is_ok(), rendering), ..plan };
    if stored.is_some_and(|stored| stored.is_fixed) {
        return plan.fail(fixed(request));
    }
    if let Err(problem) = &observation.rendered {
        return plan.fail(problem.clone());
    }
    act(plan, &case, observation)
}

fn act(plan: Plan, case: &Case<'_>, observation: &Observation<'_>) -> Plan {
    let Observation { now, history, was_issued, inputs, .. } = observation;
    let (action, is_contested) = match decide(case) {
        Decision::Keep { .. } => return plan,
        Decision::Wait { obstacle } => return wait(plan, obstacle, observation),
        Decision::Repair => (Action::Repair, true),
        Decision::Issue { reason, validity } => {
            let is_url_ours = case.stored.is_none_or(|stored| stored.is_url_ours);
            let action = match case.stored {
                None => Action::Create { reason, validity },
                Some(_) => Action::Replace { reason, validity },
            };
            // A status that was reported without a Secret does not show that there was a URL before.
            let was_issued = *was_issued || history.has_contest(*now);
            (action, is_contested(reason, was_issued, is_url_ours))
        }
    };
    // A renewal still waits for its credentials after a repair.
    let progress = match issue_reason(case) {
        Some(IssueReason::RenewalDue) if action == Action::Repair => Progress::AwaitingCredentials,
        _ => Progress::UpToDate,
    };
    if let Some((problem, _)) = history.held(inputs, *now) {
        return plan.fail(problem.clone());
    }
    let leaves_nothing =
        |stored: &&Stored| case.rendered.is_some_and(|rendered| rendered.frame == stored.content.frame);
    let reads_first =
        case.stored.filter(|stored| stored.is_shared).is_some_and(|stored| !leaves_nothing(&stored));
    let contested_until = history.contested_until(action.reason(), inputs, *now);
    match contested_until.filter(|_| is_contested) {
        None => Plan { action, progress, reads_first, is_contested, ..plan },
        Some(until) => {
            let plan = Plan { contested_until: Some(until), ..plan };
            match action {
                Action::Repair | Action::Nothing => plan.wait(progress),
                Action::Create { reason, .. } | Action::Replace { reason, .. } => {
                    plan.fail(contested(reason, case.request))
                }
            }
        }
    }
}

/// Turns a decision to wait into progress.
fn wait(plan: Plan, obstacle: Obstacle, observation: &Observation<'_>) -> Plan {
    match obstacle {
        Obstacle::Suspended => plan.wait(Progress::Suspended),
        Obstacle::AwaitingCredentials => plan.wait(Progress::AwaitingCredentials),
        Obstacle::NoCredentials => match &observation.credentials {
            Err(problem) => plan.fail(problem.clone()),
            Ok(_) => plan,
        },
        Obstacle::CredentialsExpired(expired) => {
            let secret = plan.credentials_name.clone().unwrap_or_default();
            let message =
                format!("the credentials in Secret {secret:?} expire at {}: renew them", expired.expiration);
            plan.fail(Problem::new(FailureReason::CredentialsExpired, message))
        }
    }
}

/// The stored URL for the report, as it is before anything is written.
fn seen(case: &Case<'_>, can_render: bool, rendering: Option<Rendering<'_>>) -> Seen {
    let Some((stored, url)) = case.stored.and_then(|stored| stored.content.url.map(|url| (stored, url)))
    else {
        return Seen::Nothing;
    };
    let mismatch = [IssueReason::Missing, IssueReason::SpecChanged, IssueReason::Drifted];
    Seen::Url(Standing {
        // A URL that cannot be signed again is not what the spec asks for.
        matches: can_render && issue_reason(case).is_none_or(|reason| !mismatch.contains(&reason)),
        is_planted: is_planted(case, stored, &url),
        location: rendering.map(|rendering| rendering.location.to_owned()),
        handled_renew: stored.handled_renew.as_deref().map(str::to_owned),
        ..Standing::new(case.request, url.validity, case.credentials, case.seed)
    })
}

#[cfg(test)]
mod tests;
