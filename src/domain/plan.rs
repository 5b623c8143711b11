//! The first pure step of a reconcile: from what was observed to what is to be done.

mod problems;

use jiff::Timestamp;

use self::problems::{conflict, contested, fixed};
use super::decision::{Case, Decision, Obstacle, decide, is_planted, issue_reason};
use super::history::{History, Inputs, is_contested};
use super::reason::{FailureReason, IssueReason};
use super::status::{Problem, Progress, Seen, Standing};
use super::stored::Content;
use super::{Credentials, Owner, Ownership, Request, Stored, Validity};

/// Everything that was found out about one object.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// When.
    pub now: Timestamp,
    /// The object.
    pub owner: &'a Owner,
    /// Hash of the object's UID, which spreads renewals.
    pub seed: u32,
    /// What a failure is about.
    pub inputs: &'a Inputs,
    /// Whether a URL was ever reported.
    pub was_issued: bool,
    /// What is asked for, or why it cannot be read.
    pub request: Result<&'a Request, Problem>,
    /// The target Secret, whoever it belongs to, or why it could not be looked at.
    pub target: Result<Option<&'a Stored>, Problem>,
    /// The credentials, or why there are none.
    pub credentials: Result<&'a Credentials, Problem>,
    /// The target Secret as it would be rendered at its own signing time, or why it cannot be;
    /// `None` where its URL cannot be read.
    pub rendered: Result<Option<Rendering<'a>>, Problem>,
    /// What happened before.
    pub history: &'a History,
}

/// A stored Secret rendered again.
#[derive(Clone, Copy, Debug)]
pub struct Rendering<'a> {
    /// What is in it, for comparison.
    pub content: &'a Content,
    /// The address of its object.
    pub location: &'a str,
}

/// What is to be done, and all that the report needs of the observation.
#[derive(Clone, Debug)]
pub struct Plan {
    /// When it was made: whatever comes due later is still to be looked at.
    pub made_at: Timestamp,
    /// What to do.
    pub action: Action,
    /// What the target Secret holds before that.
    pub seen: Seen,
    /// When the URL expires that was reported last, where nobody looked at the Secret.
    pub reported_expiration: Option<Timestamp>,
    /// How things stand when nothing is done, or after a repair.
    pub progress: Progress,
    /// Until when a contested write waits.
    pub contested_until: Option<Timestamp>,
    /// What a failure is about.
    pub inputs: Inputs,
    /// Name of the target Secret, where the spec could be read.
    pub secret_name: Option<String>,
    /// Name of the credentials Secret, where the spec could be read.
    pub credentials_name: Option<String>,
    /// What the person who wrote the spec should know of it.
    pub hints: Vec<String>,
    /// Whether the target has to be read whole before it is written: others own fields of ours
    /// in it, so an apply may leave behind what is rendered no more.
    pub reads_first: bool,
    /// Whether the action repeats an earlier one because of what others did.
    is_contested: bool,
}

/// What to do about the target Secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Sign a URL and create the Secret with it.
    Create {
        /// Why.
        reason: IssueReason,
        /// When the URL works.
        validity: Validity,
    },
    /// Sign a URL and write it into the Secret, which is ours.
    Replace {
        /// Why.
        reason: IssueReason,
        /// When the URL works.
        validity: Validity,
    },
    /// Write the same URL again, because something beside it differs.
    Repair,
}

impl Action {
    /// Why a new URL is to be signed.
    #[must_use]
    pub fn reason(self) -> Option<IssueReason> {
        match self {
            Self::Create { reason, .. } | Self::Replace { reason, .. } => Some(reason),
            Self::Nothing | Self::Repair => None,
        }
    }
}

impl Plan {
    /// A plan to do nothing, made at `made_at` without looking.
    #[must_use]
    pub fn nothing(made_at: Timestamp, inputs: Inputs) -> Self {
        Self {
            made_at,
            action: Action::Nothing,
            seen: Seen::Unknown,
            reported_expiration: None,
            progress: Progress::Settled,
            contested_until: None,
            inputs,
            secret_name: None,
            credentials_name: None,
            hints: Vec::new(),
            reads_first: false,
            is_contested: false,
        }
    }

    /// The same for an object at which nobody looked; what was reported last says when its URL
    /// expires.
    #[must_use]
    pub fn unseen(made_at: Timestamp, inputs: Inputs, reported_expiration: Option<Timestamp>) -> Self {
        Self { reported_expiration, ..Self::nothing(made_at, inputs) }
    }

    /// The same plan while the backoff after a failure goes on.
    #[must_use]
    pub fn held(self, problem: Problem) -> Self {
        self.fail(problem)
    }

    /// Whether the Secret is to be created.
    #[must_use]
    pub fn creates(&self) -> bool {
        matches!(self.action, Action::Create { .. })
    }

    /// Whether a new URL is to be signed.
    #[must_use]
    pub fn signs(&self) -> bool {
        matches!(self.action, Action::Create { .. } | Action::Replace { .. })
    }

    /// Whether the action repeats an earlier one because of what others did.
    #[must_use]
    pub fn is_contested(&self) -> bool {
        self.is_contested
    }

    /// Seconds that the stored URL has left at `now`.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Option<u32> {
        let left = self.seen.expiration().or(self.reported_expiration)?.as_second() - now.as_second();
        u32::try_from(left).ok().filter(|left| *left > 0)
    }

    /// The same plan without its action, for a reason that a person is told.
    fn fail(self, problem: Problem) -> Self {
        Self { action: Action::Nothing, is_contested: false, progress: Progress::Failed(problem), ..self }
    }

    fn wait(self, progress: Progress) -> Self {
        Self { progress, ..self }
    }
}

/// Plans. Whatever stands in the way of a decision is the progress of a plan to do nothing.
#[must_use]
pub fn plan(observation: &Observation<'_>) -> Plan {
    let Observation { now, request, inputs, .. } = observation;
    let plan = Plan {
        secret_name: request.as_ref().ok().map(|request| request.target.name.clone()),
        credentials_name: request.as_ref().ok().map(|request| request.credentials.name.clone()),
        hints: request.as_ref().map(|request| request.hints()).unwrap_or_default(),
        ..Plan::nothing(*now, (*inputs).clone())
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
            // While there is no Secret, the status does not say that there was one.
            let was_issued = *was_issued || history.has_contest(*now);
            (action, is_contested(reason, was_issued, is_url_ours))
        }
    };
    // A repair does not end the wait of a renewal for its credentials.
    let progress = match issue_reason(case) {
        Some(IssueReason::RenewalDue) if action == Action::Repair => Progress::AwaitingCredentials,
        _ => Progress::Settled,
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

/// A decision to wait, as progress.
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

/// What the report will say of the stored URL, before anything is written.
fn seen(case: &Case<'_>, can_render: bool, rendering: Option<Rendering<'_>>) -> Seen {
    let Some((stored, url)) = case.stored.and_then(|stored| stored.content.url.map(|url| (stored, url)))
    else {
        return Seen::Nothing;
    };
    let mismatch = [IssueReason::Missing, IssueReason::SpecChanged, IssueReason::Drifted];
    Seen::Url(Standing {
        // What cannot be signed again cannot be what the spec asks for.
        matches: can_render && issue_reason(case).is_none_or(|reason| !mismatch.contains(&reason)),
        is_planted: is_planted(case, stored, &url),
        location: rendering.map(|rendering| rendering.location.to_owned()),
        handled_renew: stored.handled_renew.as_deref().map(str::to_owned),
        ..Standing::new(case.request, url.validity, case.credentials, case.seed)
    })
}

#[cfg(test)]
mod tests;
