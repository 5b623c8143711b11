//! The plans that end a URL: because its signer denies it, or because it has expired and is signed only
//! once.

use jiff::Timestamp;

use super::{Action, Observation, Plan};
use crate::domain::decision::{Case, issue_reason};
use crate::domain::ended::EndReason;
use crate::domain::reason::{FailureReason, IssueReason};
use crate::domain::status::{Problem, Progress, ReportedUrl, Seen};
use crate::domain::validity::plus;

/// The plan for a request that its signer denies. Its URL stays until it expires, unless it is withdrawn:
/// that happens also to a suspended object.
pub(super) fn deny(
    plan: Plan,
    case: &Case<'_>,
    observation: &Observation<'_>,
    problem: &Problem,
    is_withdrawn: bool,
) -> Plan {
    let plan = if problem.reason == FailureReason::NotPermitted { plan.without_renewal() } else { plan };
    let url = case.stored.and_then(|stored| stored.content.url);
    let is_over = url.is_some_and(|url| url.validity.expiration_time() <= case.now) && !case.request.suspend;
    let progress = Progress::Failed(problem.clone());
    let plan = if url.is_some() && (is_withdrawn || is_over) {
        // Without its signer a URL just expires.
        let is_waiting = problem.reason == FailureReason::SignerNotFound && !is_withdrawn;
        let why = if is_waiting { EndReason::Expired } else { EndReason::Denied };
        plan_end(plan, case, observation, why, progress)
    } else {
        plan.fail(problem.clone())
    };
    let is_in_backoff = observation.history.backoff(observation.inputs, case.now).is_some();
    let delete_at = deleted_at(case).filter(|_| !is_in_backoff && !case.request.suspend);
    Plan { delete_at, ..plan }
}

impl Plan {
    /// The same plan for a URL that is not renewed.
    fn without_renewal(self) -> Self {
        let seen = match self.seen {
            Seen::Url(reported) => Seen::Url(ReportedUrl { renewal_time: None, ..reported }),
            seen => seen,
        };
        Self { seen, ..self }
    }
}

/// The plan to empty the stored URL.
pub(super) fn plan_end(
    plan: Plan,
    case: &Case<'_>,
    observation: &Observation<'_>,
    why: EndReason,
    progress: Progress,
) -> Plan {
    let Observation { now, history, inputs, .. } = observation;
    if let Some((problem, _)) = history.backoff(inputs, *now) {
        return plan.fail(problem.clone());
    }
    // Another client that writes the URL again and again is answered more and more slowly.
    let is_contested = case.stored.is_some_and(|stored| !stored.is_url_ours);
    let contested_until = history.contested_until(None, inputs, *now).filter(|_| is_contested);
    if contested_until.is_some() {
        return Plan { contested_until, ..plan.wait(progress) };
    }
    // Without a rendering only the requested lifetime shows that the spec has changed.
    let has_other_lifetime = case.stored.and_then(|stored| stored.requested) != Some(case.request.expires_in);
    let is_other = has_other_lifetime || issue_reason(case) == Some(IssueReason::SpecChanged);
    let request = (!is_other).then(|| case.request.digest());
    Plan { action: Action::End { why, request }, is_contested, ..plan.wait(progress) }
}

/// The progress of a request whose URL ended and is not signed again.
pub(super) fn ended(case: &Case<'_>, why: EndReason) -> Progress {
    Progress::Ended { why, deleted_at: deleted_at(case) }
}

/// When an object is deleted whose URL is signed only once: some time after the end of that URL.
pub(super) fn deleted_at(case: &Case<'_>) -> Option<Timestamp> {
    let stored = case.stored?;
    // Other clients must not decide when the object is deleted.
    let of_url = stored.content.url.filter(|_| stored.is_url_ours).map(|url| url.validity.expiration_time());
    let end = of_url.or_else(|| stored.ended.as_ref()?.expiration)?;
    Some(plus(end, case.request.ttl_after_expired?))
}

#[cfg(test)]
mod tests;
