//! The first pure step of a reconcile: from an observation to a plan.

mod ends;
mod observation;
mod problems;
mod seen;
mod waiting;

use jiff::Timestamp;

use self::ends::{deleted_at, deny, ended, plan_end};
pub use self::observation::{Observation, Rendering};
use self::problems::{conflict, contested, fixed};
use self::seen::seen;
use self::waiting::{keep, session_need, wait};
use super::decision::{Case, Decision, WaitReason, decide, issue_reason};
use super::ended::EndReason;
use super::history::{Inputs, is_contested};
use super::reason::IssueReason;
use super::resolve::{Permission, Resolved};
use super::session::SessionNeed;
use super::status::{Problem, Progress, Seen};
use super::stored::Digest;
use super::{Ownership, Stored, Validity};

/// What to do, and what the report needs from the observation.
#[allow(clippy::struct_excessive_bools, reason = "each is one independent fact")]
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
    /// Where the credentials are, as messages say it, if the spec is valid.
    pub credentials_place: Option<String>,
    /// Whether the operator renews the credentials itself.
    pub has_session: bool,
    /// What the signer says, if the spec is valid.
    pub permission: Permission,
    /// Hints for the user who wrote the spec.
    pub hints: Vec<String>,
    /// Whether the whole target has to be read before it is written. Then other managers own some of our
    /// fields in it, so an apply may leave behind fields that are no longer rendered.
    pub reads_first: bool,
    /// Whether the action repeats an earlier one because of what other clients did.
    pub is_contested: bool,
    /// Whether the URLs in the Secrets of earlier names are emptied too.
    pub withdraws: bool,
    /// When the object is to be deleted, because its URL expired; `None` for never.
    pub delete_at: Option<Timestamp>,
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
    /// Empty the URL in the Secret, which is ours.
    End {
        /// Why the URL ends.
        why: EndReason,
        /// What the stored URL was signed for, if that is known.
        request: Option<Digest>,
    },
    /// Get a session, and plan again with it.
    GetSession {
        /// Why a URL is to be issued.
        reason: IssueReason,
        /// What the URL needs of the session.
        need: SessionNeed,
    },
}

impl Action {
    /// Why a new URL is issued; `None` when none is.
    #[must_use]
    pub fn reason(self) -> Option<IssueReason> {
        match self {
            Self::Create { reason, .. } | Self::Replace { reason, .. } | Self::GetSession { reason, .. } => {
                Some(reason)
            }
            Self::Nothing | Self::Repair | Self::End { .. } => None,
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
            credentials_place: None,
            has_session: false,
            permission: Permission::NotNeeded,
            hints: Vec::new(),
            reads_first: false,
            is_contested: false,
            withdraws: false,
            delete_at: None,
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
        let progress = Progress::Failed(problem);
        Self { action: Action::Nothing, is_contested: false, progress, delete_at: None, ..self }
    }

    fn wait(self, progress: Progress) -> Self {
        Self { progress, ..self }
    }
}

/// Makes a plan. If no decision is possible, the plan does nothing and its progress says why.
#[must_use]
pub fn plan(observation: &Observation<'_>) -> Plan {
    let Observation { now, request, inputs, .. } = observation;
    let plan = Plan::nothing(*now, (*inputs).clone(), observation.reported_expiration);
    let (request, permission) = match request {
        Ok(Resolved { request, permission }) => (request, permission),
        Err(problem) => return plan.fail(problem.clone()),
    };
    let plan = Plan {
        secret_name: Some(request.target.name.clone()),
        credentials_place: Some(request.credentials.place()),
        has_session: request.credentials.has_session(),
        permission: permission.clone(),
        withdraws: matches!(permission, Permission::Denied { is_withdrawn: true, .. }),
        hints: request.hints(),
        ..plan
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
            return Plan { seen: Seen::Nothing, ..plan }.fail(conflict(stored, request, observation.owner));
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
    let plan = Plan { seen: seen(&case, observation.rendered.is_ok(), rendering, permission), ..plan };
    let is_fixed = stored.is_some_and(|stored| stored.is_fixed);
    match permission {
        Permission::Denied { problem, .. } if is_fixed => return plan.fail(problem.clone()),
        Permission::Denied { problem, is_withdrawn } => {
            return deny(plan, &case, observation, problem, *is_withdrawn);
        }
        _ if is_fixed => return plan.fail(fixed(request)),
        _ => {}
    }
    if let Err(problem) = &observation.rendered {
        return plan.fail(problem.clone());
    }
    plan_action(plan, &case, observation)
}

fn plan_action(plan: Plan, case: &Case<'_>, observation: &Observation<'_>) -> Plan {
    match decide(case) {
        Decision::Keep { .. } => keep(plan, case, observation),
        Decision::Wait { reason: WaitReason::NoCredentials } if observation.can_get_session => {
            let Some(reason) = issue_reason(case) else { return plan };
            let need = session_need(case, reason);
            plan_write(plan, Action::GetSession { reason, need }, case, observation)
        }
        Decision::Wait { reason } => wait(plan, reason, case, observation),
        Decision::End => {
            let plan = Plan { delete_at: deleted_at(case), ..plan };
            let progress = ended(case, EndReason::Expired);
            plan_end(plan, case, observation, EndReason::Expired, progress)
        }
        Decision::Repair => plan_write(plan, Action::Repair, case, observation),
        Decision::Issue { reason, validity } => {
            let action = match case.stored {
                None => Action::Create { reason, validity },
                Some(_) => Action::Replace { reason, validity },
            };
            plan_write(plan, action, case, observation)
        }
    }
}

/// Plans a write, or a session for it, unless its last attempt failed or another client keeps changing the Secret.
fn plan_write(plan: Plan, action: Action, case: &Case<'_>, observation: &Observation<'_>) -> Plan {
    let Observation { now, history, inputs, .. } = observation;
    if let Some((problem, _)) = history.backoff(inputs, *now) {
        return plan.fail(problem.clone());
    }
    // A renewal still waits for its credentials after a repair.
    let progress = match issue_reason(case) {
        Some(IssueReason::RenewalDue) if action == Action::Repair => Progress::AwaitingCredentials,
        _ => Progress::UpToDate,
    };
    let is_contested = is_write_contested(action, case, observation);
    let contested_until = history.contested_until(action.reason(), inputs, *now);
    if let Some(until) = contested_until.filter(|_| is_contested) {
        let plan = Plan { contested_until: Some(until), ..plan };
        return match action.reason() {
            None => plan.wait(progress),
            Some(reason) => plan.fail(contested(reason, case.request)),
        };
    }
    let leaves_nothing = |stored: &&Stored| {
        case.rendered.is_some_and(|rendered| rendered.other_fields == stored.content.other_fields)
    };
    let reads_first =
        case.stored.filter(|stored| stored.is_shared).is_some_and(|stored| !leaves_nothing(&stored));
    Plan { action, progress, reads_first, is_contested, ..plan }
}

/// Whether an action undoes what another client did.
fn is_write_contested(action: Action, case: &Case<'_>, observation: &Observation<'_>) -> bool {
    let Some(reason) = action.reason() else { return true };
    let is_url_ours = case.stored.is_none_or(|stored| stored.is_url_ours);
    // A status that was reported without a Secret does not show that there was a URL before.
    let was_issued = observation.was_issued || observation.history.has_contest(observation.now);
    is_contested(reason, was_issued, is_url_ours)
}

#[cfg(test)]
mod tests;
