//! The condition Verified: whether the store accepts the URL.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use strum::VariantArray as _;

use super::conditions::{ConditionState, FALSE, TRUE, UNKNOWN};
use super::{Report, Seen};
use crate::crd::{PresignedUrlStatus, VERIFIED, Verified, VerifyResult};
use crate::domain::verification::{ACCEPTED, CREDENTIALS_ACCEPTED, VerifyAnswer, VerifyNews};

/// The reason while the store has not answered yet.
const ASKING: &str = "Asking";
/// The reason when the store was not asked about the URL.
pub const NOT_ASKED: &str = "NotAsked";
/// The reason when the operator asks no store.
const DISABLED: &str = "Disabled";

/// The condition, and what goes with it into the status.
pub(super) fn verified(
    previous: &PresignedUrlStatus,
    report: &Report,
) -> (Option<ConditionState>, Option<Verified>) {
    let unknown = |reason, message: &str| (Some(state(UNKNOWN, reason, message.to_owned())), None);
    let not_asked = || {
        unknown(
            NOT_ASKED,
            "the store was not asked about this URL: it is asked about a later one; to ask now, change the annotation presign.dev/renew",
        )
    };
    let expiration = report.seen.expiration().map(Time);
    match (&report.verification, &report.seen) {
        (VerifyNews::NotWanted, _) | (_, Seen::Nothing) => (None, None),
        (VerifyNews::Disabled, _) => unknown(
            DISABLED,
            "the operator asks no store: ask its administrator to permit it (--verify), or remove spec.verify",
        ),
        (VerifyNews::Unjudged, _) | (VerifyNews::Unchanged, Seen::Unknown) => kept(previous),
        (VerifyNews::Asking, _) => unknown(ASKING, "the store is being asked"),
        (VerifyNews::Renewed, _) => or_else(kept(previous), not_asked),
        (VerifyNews::Unchanged, Seen::Url(_)) if previous.expiration_time == expiration => {
            or_else(kept(previous), not_asked)
        }
        (VerifyNews::Unchanged, Seen::Url(_)) => not_asked(),
        (VerifyNews::Answered(answer), _) => answered(answer),
    }
}

/// Whether a status shows an answer of the store.
#[must_use]
pub fn has_answer(status: &PresignedUrlStatus) -> bool {
    status.conditions.iter().any(|condition| condition.type_ == VERIFIED && condition.status != UNKNOWN)
}

type VerifiedParts = (Option<ConditionState>, Option<Verified>);

fn or_else(kept: VerifiedParts, other: impl Fn() -> VerifiedParts) -> VerifiedParts {
    if kept.0.is_some() { kept } else { other() }
}

fn answered(answer: &VerifyAnswer) -> VerifiedParts {
    let Some(result) = answer.finding.result() else {
        return (Some(state(UNKNOWN, NOT_ASKED, answer.message.clone())), None);
    };
    let verified = Verified { time: Time(answer.at), result };
    (Some(state(status(result), result.into(), answer.message.clone())), Some(verified))
}

fn status(result: VerifyResult) -> &'static str {
    match result {
        VerifyResult::Accepted | VerifyResult::CredentialsAccepted => TRUE,
        refusal if refusal.is_refusal() => FALSE,
        _ => UNKNOWN,
    }
}

/// The last report; nothing when it has no such condition, or one that holds only for the process that
/// reported it. The cache keeps no messages of the usual status.
fn kept(previous: &PresignedUrlStatus) -> VerifiedParts {
    let Some(before) = previous.conditions.iter().find(|condition| condition.type_ == VERIFIED) else {
        return (None, None);
    };
    if before.reason == NOT_ASKED {
        return (Some(state(UNKNOWN, NOT_ASKED, before.message.clone())), None);
    }
    let known = VerifyResult::VARIANTS.iter().find(|result| before.reason == <&str>::from(**result));
    let Some(result) = known.copied() else { return (None, None) };
    let message = match result {
        VerifyResult::Accepted => ACCEPTED.to_owned(),
        VerifyResult::CredentialsAccepted => CREDENTIALS_ACCEPTED.to_owned(),
        _ => before.message.clone(),
    };
    (Some(state(status(result), result.into(), message)), previous.verified.clone())
}

fn state(status: &'static str, reason: &'static str, message: String) -> ConditionState {
    ConditionState { kind: VERIFIED, status, reason, message }
}
