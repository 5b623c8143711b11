//! The conditions: Ready, Stalled and RotationSafe.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{Outcome, Problem, Progress, Rotation, Seen, Standing};
use crate::crd::duration;
use crate::crd::{READY, ROTATION_SAFE, STALLED};
use crate::domain::reason::{Disposition, FailureReason};

const TRUE: &str = "True";
const FALSE: &str = "False";
const UNKNOWN: &str = "Unknown";

/// One condition before it is given its times.
struct Verdict {
    kind: &'static str,
    status: &'static str,
    reason: &'static str,
    message: String,
}

/// The conditions after a pass: a transition time moves only when the status flips.
pub(super) fn next(previous: &[Condition], outcome: &Outcome, now: Timestamp) -> Vec<Condition> {
    let ready = ready(outcome, now);
    let stalled = stalled(outcome);
    let rotation = match &outcome.seen {
        Seen::Url(standing) => Some(rotation_safe(standing, outcome)),
        Seen::Nothing => None,
        Seen::Unknown => kept(previous, ROTATION_SAFE),
    };
    [Some(ready), stalled, rotation]
        .into_iter()
        .flatten()
        .map(|verdict| {
            let before = previous.iter().find(|condition| condition.type_ == verdict.kind);
            let since = before.filter(|before| before.status == verdict.status);
            Condition {
                last_transition_time: since.map_or(Time(now), |since| since.last_transition_time.clone()),
                message: verdict.message,
                observed_generation: outcome.generation,
                reason: verdict.reason.to_owned(),
                status: verdict.status.to_owned(),
                type_: verdict.kind.to_owned(),
            }
        })
        .collect()
}

/// A condition that this pass can say nothing about, as it was.
fn kept(previous: &[Condition], kind: &'static str) -> Option<Verdict> {
    let before = previous.iter().find(|condition| condition.type_ == kind)?;
    let status = if before.status == TRUE { TRUE } else { FALSE };
    let reason = ["OverlapSufficient", "OverlapTooShort", "AwaitingCredentials", "CredentialExpiryUnknown"]
        .into_iter()
        .find(|reason| *reason == before.reason)?;
    Some(Verdict { kind, status, reason, message: before.message.clone() })
}

fn ready(outcome: &Outcome, now: Timestamp) -> Verdict {
    let verdict = |status, reason, message| Verdict { kind: READY, status, reason, message };
    let alive = match &outcome.seen {
        Seen::Url(standing) if standing.matches && standing.is_alive(now) => Some(standing),
        _ => None,
    };
    let secret = outcome.secret_name.as_deref().unwrap_or_default();
    match (&outcome.progress, alive) {
        (Progress::Settled, Some(standing)) => {
            verdict(TRUE, "Issued", format!("Secret {secret:?} holds a URL that {}", until(standing)))
        }
        (Progress::Settled, None) => {
            verdict(FALSE, "Expired", format!("the URL in Secret {secret:?} has expired"))
        }
        (Progress::Suspended, Some(standing)) => verdict(
            TRUE,
            "Suspended",
            format!("suspended: the URL in Secret {secret:?} {} and is not renewed", until(standing)),
        ),
        (Progress::Suspended, None) => verdict(
            FALSE,
            "Suspended",
            "suspended, and no valid URL is stored: set spec.suspend to false to have one issued".to_owned(),
        ),
        (Progress::AwaitingCredentials, Some(standing)) => {
            verdict(TRUE, "AwaitingCredentials", awaiting(outcome, standing))
        }
        (Progress::AwaitingCredentials, None) => verdict(
            FALSE,
            FailureReason::CredentialsExpired.into(),
            format!("the credentials have expired: renew Secret {:?}", credentials(outcome)),
        ),
        (Progress::AwaitingCollection, _) => verdict(
            FALSE,
            FailureReason::SecretConflict.into(),
            format!(
                "Secret {secret:?} belongs to a deleted PresignedUrl of the same name: waiting for its garbage collection"
            ),
        ),
        (Progress::Failed(problem), alive) => failed(outcome, problem, alive, now),
    }
}

fn failed(outcome: &Outcome, problem: &Problem, alive: Option<&Standing>, now: Timestamp) -> Verdict {
    let reason = problem.reason.into();
    let message = problem.message.clone();
    let is_retry = problem.reason.disposition() == Disposition::Retry;
    let is_user = problem.reason.disposition() == Disposition::UserMustAct;
    let (status, reason, message) = match alive {
        Some(standing) if !is_user => {
            (TRUE, "RenewalFailing", format!("{message}; the stored URL {}", until(standing)))
        }
        _ if is_retry && outcome.seen == Seen::Unknown => (UNKNOWN, reason, message),
        _ => match &outcome.seen {
            Seen::Url(standing) if !standing.is_alive(now) => {
                (FALSE, reason, format!("{message}; the stored URL has expired"))
            }
            _ => (FALSE, reason, message),
        },
    };
    Verdict { kind: READY, status, reason, message }
}

/// Present only while a person has to act.
fn stalled(outcome: &Outcome) -> Option<Verdict> {
    match &outcome.progress {
        Progress::Failed(problem) if problem.reason.disposition() == Disposition::UserMustAct => {
            Some(Verdict {
                kind: STALLED,
                status: TRUE,
                reason: problem.reason.into(),
                message: problem.message.clone(),
            })
        }
        _ => None,
    }
}

fn rotation_safe(standing: &Standing, outcome: &Outcome) -> Verdict {
    let verdict = |status, reason, message| Verdict { kind: ROTATION_SAFE, status, reason, message };
    if outcome.progress == Progress::AwaitingCredentials {
        return verdict(FALSE, "AwaitingCredentials", awaiting(outcome, standing));
    }
    match standing.rotation {
        Rotation::ExpiryUnknown => verdict(
            FALSE,
            "CredentialExpiryUnknown",
            format!(
                "Secret {:?} holds a session token without its expiration, so the URL may die earlier than it says: add the expiration",
                credentials(outcome)
            ),
        ),
        Rotation::Safe { overlap, is_fallback } => verdict(
            TRUE,
            "OverlapSufficient",
            format!(
                "a new URL is written {} before the old one expires{}",
                duration::print(overlap),
                fallback(is_fallback)
            ),
        ),
        Rotation::TooShort { overlap, is_fallback } => verdict(
            FALSE,
            "OverlapTooShort",
            format!(
                "a new URL is written only {} before the old one expires, and a mounted Secret can lag by 2m: raise spec.expiresIn or spec.renewal so that it is 3m or more{}",
                duration::print(overlap),
                fallback(is_fallback)
            ),
        ),
    }
}

fn fallback(is_fallback: bool) -> &'static str {
    if is_fallback {
        " (spec.renewal asks for more than five sixths of the lifetime: a third is used)"
    } else {
        ""
    }
}

fn until(standing: &Standing) -> String {
    format!("works until {}", standing.validity.expiration_time())
}

fn awaiting(outcome: &Outcome, standing: &Standing) -> String {
    format!(
        "the credentials in Secret {:?} expire too soon for a longer-lived URL: renew them; the stored URL {}",
        credentials(outcome),
        until(standing)
    )
}

fn credentials(outcome: &Outcome) -> &str {
    outcome.credentials_name.as_deref().unwrap_or_default()
}
