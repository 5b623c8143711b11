//! The conditions Ready, Stalled and Permitted. RotationSafe is in `rotation`, Verified in `verified`.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::rotation::{self, NEVER_REFRESHED};
use super::{Problem, Progress, Report, ReportedUrl, Seen};
use crate::crd::{PERMITTED, READY, ROTATION_SAFE, STALLED};
use crate::domain::ended::EndReason;
use crate::domain::reason::{Disposition, FailureReason};
use crate::domain::resolve::Permission;

pub(super) const TRUE: &str = "True";
pub(super) const FALSE: &str = "False";
pub(super) const UNKNOWN: &str = "Unknown";
/// The reason of Ready when the stored URL has expired.
pub const EXPIRED: &str = "Expired";

/// The reason of Permitted while the request is allowed.
pub const ALLOWED: &str = "Allowed";

/// One condition without its transition time and generation.
pub(super) struct ConditionState {
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// The conditions after a reconcile. A transition time changes only when the status changes.
pub(super) fn next(
    previous: &[Condition],
    report: &Report,
    verified: Option<ConditionState>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut ready = ready(report, now);
    if report.is_renew_refused {
        let refused = "annotation presign.dev/renew is refused, since it has more than 128 characters: write a shorter one";
        ready.message = format!("{}; {refused}", ready.message);
    }
    let stalled = stalled(report);
    let rotation = match &report.seen {
        // A URL that is signed once is never rotated.
        Seen::Url(reported) if reported.renewal_time.is_none() => None,
        Seen::Url(reported) => {
            let before = previous.iter().find(|c| c.type_ == ROTATION_SAFE && c.reason == NEVER_REFRESHED);
            Some(rotation::verdict(reported, report, before.map(|before| before.message.as_str())))
        }
        Seen::Nothing => None,
        Seen::Unknown => kept(previous, ROTATION_SAFE),
    };
    let permitted = match (&report.permission, &report.seen) {
        (Permission::NotNeeded, Seen::Unknown) => kept(previous, PERMITTED),
        (permission, _) => permitted(permission),
    };
    [Some(ready), stalled, rotation, permitted, verified]
        .into_iter()
        .flatten()
        .map(|verdict| {
            let before = previous.iter().find(|condition| condition.type_ == verdict.kind);
            let since = before.filter(|before| before.status == verdict.status);
            Condition {
                last_transition_time: since.map_or(Time(now), |since| since.last_transition_time.clone()),
                message: verdict.message,
                observed_generation: report.generation,
                reason: verdict.reason.to_owned(),
                status: verdict.status.to_owned(),
                type_: verdict.kind.to_owned(),
            }
        })
        .collect()
}

/// The previous condition, which stays when this reconcile cannot judge it.
fn kept(previous: &[Condition], kind: &'static str) -> Option<ConditionState> {
    let before = previous.iter().find(|condition| condition.type_ == kind)?;
    let status = if before.status == TRUE { TRUE } else { FALSE };
    let known = rotation::REASONS.into_iter().chain([ALLOWED, FailureReason::NotPermitted.into()]);
    let reason = known.into_iter().find(|reason| *reason == before.reason)?;
    Some(ConditionState { kind, status, reason, message: before.message.clone() })
}

fn ready(report: &Report, now: Timestamp) -> ConditionState {
    let verdict = |status, reason, message| ConditionState { kind: READY, status, reason, message };
    let alive = match &report.seen {
        Seen::Url(reported) if reported.matches && reported.is_alive(now) => Some(reported),
        _ => None,
    };
    let secret = report.secret_name.as_deref().unwrap_or_default();
    match (&report.progress, alive) {
        (Progress::UpToDate, Some(reported)) => {
            let hints = report.hints.join("; ");
            let note = if hints.is_empty() { String::new() } else { format!("; note: {hints}") };
            verdict(TRUE, "Issued", format!("Secret {secret:?} holds a URL that {}{note}", until(reported)))
        }
        (Progress::UpToDate, None) => {
            verdict(FALSE, EXPIRED, format!("the URL in Secret {secret:?} has expired"))
        }
        (Progress::Suspended, Some(reported)) => verdict(
            TRUE,
            "Suspended",
            format!("suspended: the URL in Secret {secret:?} {} and is not renewed", until(reported)),
        ),
        (Progress::Suspended, None) => verdict(
            FALSE,
            "Suspended",
            "suspended, and no valid URL is stored: set spec.suspend to false".to_owned(),
        ),
        (Progress::AwaitingCredentials, Some(reported)) => {
            verdict(TRUE, "AwaitingCredentials", awaiting(report, reported))
        }
        (Progress::AwaitingCredentials, None) => verdict(
            FALSE,
            FailureReason::CredentialsExpired.into(),
            format!("the credentials {} have expired: renew them", credentials(report)),
        ),
        (Progress::Ended { why, deleted_at }, _) => verdict(FALSE, EXPIRED, ended(secret, *why, *deleted_at)),
        (Progress::AwaitingCollection, _) => verdict(
            FALSE,
            FailureReason::SecretConflict.into(),
            format!(
                "Secret {secret:?} belongs to a deleted PresignedUrl of the same name: waiting for its garbage collection"
            ),
        ),
        (Progress::Failed(problem), alive) => failed(report, problem, alive, now),
    }
}

fn failed(report: &Report, problem: &Problem, alive: Option<&ReportedUrl>, now: Timestamp) -> ConditionState {
    let reason = problem.reason.into();
    let message = problem.message.clone();
    let is_retry = problem.disposition == Disposition::Retry;
    let is_user = problem.disposition == Disposition::UserMustAct;
    let (status, reason, message) = match alive {
        Some(reported) if !is_user => {
            (TRUE, "RenewalFailing", format!("{message}; the stored URL {}", until(reported)))
        }
        Some(reported) if problem.reason == FailureReason::NotPermitted => {
            (FALSE, reason, format!("{message}; the stored URL {} and is not renewed", until(reported)))
        }
        _ if is_retry && report.seen == Seen::Unknown => (UNKNOWN, reason, message),
        _ => match &report.seen {
            Seen::Url(reported) if !reported.is_alive(now) => {
                (FALSE, reason, format!("{message}; the stored URL has expired"))
            }
            _ => (FALSE, reason, message),
        },
    };
    ConditionState { kind: READY, status, reason, message }
}

fn ended(secret: &str, why: EndReason, deleted_at: Option<Timestamp>) -> String {
    let why = match why {
        EndReason::Expired => "has expired",
        EndReason::Denied => "was removed, because its signer did not permit it",
    };
    let next = deleted_at.map_or_else(
        || "change the annotation presign.dev/renew to sign a new one".to_owned(),
        |time| format!("this PresignedUrl is deleted at {time}"),
    );
    format!("the URL in Secret {secret:?} {why}, and is not renewed (spec.renewPolicy: Never): {next}")
}

/// The condition Permitted, which is present only if a signer was asked.
fn permitted(permission: &Permission) -> Option<ConditionState> {
    let (status, reason, message) = match permission {
        Permission::NotNeeded => return None,
        Permission::Allowed { why } => (TRUE, ALLOWED, why.clone()),
        Permission::Audited { why } => (FALSE, FailureReason::NotPermitted.into(), why.clone()),
        // The namespace may use no such signer, so it is not told what that says.
        Permission::Denied { problem, .. } if problem.reason == FailureReason::SignerNotFound => return None,
        Permission::Denied { problem, .. } => (FALSE, problem.reason.into(), problem.message.clone()),
    };
    Some(ConditionState { kind: PERMITTED, status, reason, message })
}

/// The condition Stalled, which is present only while a user has to act.
fn stalled(report: &Report) -> Option<ConditionState> {
    match &report.progress {
        Progress::Failed(problem) if problem.disposition == Disposition::UserMustAct => {
            Some(ConditionState {
                kind: STALLED,
                status: TRUE,
                reason: problem.reason.into(),
                message: problem.message.clone(),
            })
        }
        Progress::Ended { why, deleted_at: None } => Some(ConditionState {
            kind: STALLED,
            status: TRUE,
            reason: EXPIRED,
            message: ended(report.secret_name.as_deref().unwrap_or_default(), *why, None),
        }),
        _ => None,
    }
}

fn until(reported: &ReportedUrl) -> String {
    format!("works until {}", reported.validity.expiration_time())
}

pub(super) fn awaiting(report: &Report, reported: &ReportedUrl) -> String {
    if report.has_session {
        return format!(
            "no session {} lasts long enough for a longer-lived URL: the operator asks again; the stored URL {}",
            credentials(report),
            until(reported)
        );
    }
    format!(
        "the credentials {} expire too soon for a longer-lived URL: renew them; the stored URL {}",
        credentials(report),
        until(reported)
    )
}

pub(super) fn credentials(report: &Report) -> &str {
    report.credentials_place.as_deref().unwrap_or_default()
}
