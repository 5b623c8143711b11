//! The plans that change nothing now: a URL stays, a session is needed, or something else has to come first.

use super::ends::{deleted_at, ended};
use super::problems::other_credentials;
use super::{Observation, Plan};
use crate::domain::decision::{Case, WaitReason};
use crate::domain::reason::{FailureReason, IssueReason};
use crate::domain::session::SessionNeed;
use crate::domain::status::{Problem, Progress};
use crate::domain::validity::plus;

/// The plan for a URL that stays. Missing credentials are reported before they are needed.
pub(super) fn keep(plan: Plan, case: &Case<'_>, observation: &Observation<'_>) -> Plan {
    match &observation.credentials {
        Err(problem) if case.request.credentials.has_session() && !observation.can_get_session => {
            plan.fail(problem.clone())
        }
        _ => plan,
    }
}

/// What a new URL needs of its session. A renewal has to live longer than the stored URL.
pub(super) fn session_need(case: &Case<'_>, reason: IssueReason) -> SessionNeed {
    let current = case.stored.and_then(|stored| stored.content.url).map(|url| url.validity.expiration_time());
    SessionNeed {
        until: plus(case.now, case.request.lifetime()),
        longer_than: current.filter(|_| reason == IssueReason::RenewalDue),
    }
}

/// Turns a decision to wait into progress.
pub(super) fn wait(plan: Plan, reason: WaitReason, case: &Case<'_>, observation: &Observation<'_>) -> Plan {
    match reason {
        WaitReason::Ended(why) => {
            let Observation { now, history, inputs, .. } = observation;
            let delete_at = deleted_at(case);
            let backoff =
                history.backoff(inputs, *now).filter(|_| delete_at.is_some_and(|time| time <= *now));
            // The deletion failed, and is tried again after the backoff.
            match backoff {
                Some((problem, _)) => plan.fail(problem.clone()),
                None => Plan { delete_at, ..plan }.wait(ended(case, why)),
            }
        }
        WaitReason::CredentialsChanged => plan.fail(other_credentials(case.request)),
        WaitReason::Suspended => plan.wait(Progress::Suspended),
        WaitReason::AwaitingCredentials => plan.wait(Progress::AwaitingCredentials),
        WaitReason::NoCredentials => match &observation.credentials {
            Err(problem) => plan.fail(problem.clone()),
            Ok(_) => plan,
        },
        WaitReason::CredentialsExpired(expired) => {
            let place = case.request.credentials.place();
            if case.request.credentials.has_session() {
                let message =
                    format!("the session {place} ends at {}: the operator asks again", expired.expiration);
                return plan.fail(Problem::retried(FailureReason::CredentialsExpired, message));
            }
            let message = format!("the credentials {place} expire at {}: renew them", expired.expiration);
            plan.fail(Problem::new(FailureReason::CredentialsExpired, message))
        }
    }
}
