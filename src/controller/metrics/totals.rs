//! The totals behind the metrics about objects: a pure function from statuses to numbers.

use jiff::Timestamp;
use strum::VariantArray as _;

use crate::crd::{PresignedUrlStatus, READY, VERIFIED, VerifyResult, condition};

/// The reasons of `Ready`, as label values. `Unknown` stands for no reason and for those of another
/// release.
const REASONS: [&str; 19] = [
    "Issued",
    "RenewalFailing",
    AWAITING,
    SUSPENDED,
    "Expired",
    "InvalidSpec",
    "SignerNotFound",
    "NotPermitted",
    "CredentialsNotFound",
    "CredentialsInvalid",
    "CredentialsExpired",
    "CredentialsDenied",
    "CredentialsUnavailable",
    "CredentialsChanged",
    "SecretConflict",
    "SigningFailed",
    "ApiError",
    "InternalError",
    "Unknown",
];
const AWAITING: &str = "AwaitingCredentials";
const SUSPENDED: &str = "Suspended";

/// The numbers of objects, by condition and by time.
#[derive(Debug, Default)]
pub(super) struct ObjectTotals {
    /// Objects whose `Ready` is True, False and Unknown.
    ready: [i64; 3],
    reasons: [i64; REASONS.len()],
    /// Objects whose `Verified` is False, by its reason.
    refused: [i64; VerifyResult::VARIANTS.len()],
    /// Objects past their renewal time that do not wait for credentials.
    pub(super) overdue: i64,
    /// Objects past their renewal time with less than half of the overlap left.
    pub(super) expiring: i64,
    pub(super) expired: i64,
    /// When the first of the live URLs expires.
    pub(super) next: Option<Timestamp>,
}

impl ObjectTotals {
    /// Counts one object.
    ///
    /// The URL of a suspended object expires on purpose, so it is neither expiring nor expired.
    pub(super) fn add(&mut self, status: &PresignedUrlStatus, now: Timestamp) {
        let ready = condition(&status.conditions, READY);
        let slot = match ready.map(|condition| condition.status.as_str()) {
            Some("True") => 0,
            Some("False") => 1,
            _ => 2,
        };
        self.ready[slot] += 1;
        let reason = ready.and_then(|ready| REASONS.iter().position(|reason| *reason == ready.reason));
        let reason = reason.unwrap_or(REASONS.len() - 1);
        self.reasons[reason] += 1;
        let refusal = status.conditions.iter().find(|it| it.type_ == VERIFIED && it.status == "False");
        let is_it = |result: &VerifyResult| refusal.is_some_and(|it| it.reason == <&str>::from(*result));
        if let Some(refusal) = VerifyResult::VARIANTS.iter().position(is_it) {
            self.refused[refusal] += 1;
        }
        let Some(expiration) = status.expiration_time.as_ref().map(|time| time.0) else { return };
        let renewal = status.renewal_time.as_ref().map(|time| time.0);
        self.add_times(REASONS[reason], renewal, expiration, now);
    }

    fn add_times(&mut self, reason: &str, renewal: Option<Timestamp>, expiration: Timestamp, now: Timestamp) {
        let runs_out = reason != SUSPENDED;
        if expiration <= now {
            self.expired += i64::from(runs_out);
            return;
        }
        self.next = Some(self.next.map_or(expiration, |next| next.min(expiration)));
        let Some(renewal) = renewal.filter(|renewal| runs_out && *renewal <= now) else { return };
        self.overdue += i64::from(reason != AWAITING);
        let left = expiration.as_second() - now.as_second();
        let overlap = expiration.as_second() - renewal.as_second();
        self.expiring += i64::from(left * 2 < overlap);
    }

    /// The number of objects for each status of `Ready`.
    pub(super) fn by_status(&self) -> impl Iterator<Item = (&'static str, i64)> {
        ["True", "False", "Unknown"].into_iter().zip(self.ready)
    }

    /// The number of objects for each reason of `Ready`.
    pub(super) fn by_reason(&self) -> impl Iterator<Item = (&'static str, i64)> {
        REASONS.into_iter().zip(self.reasons)
    }

    /// The number of objects whose URL the store refuses, for each reason.
    pub(super) fn by_refusal(&self) -> impl Iterator<Item = (&'static str, i64)> {
        let all = VerifyResult::VARIANTS.iter().zip(self.refused);
        all.filter(|(result, _)| result.is_refusal()).map(|(result, count)| ((*result).into(), count))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

    use super::*;
    use crate::domain::reason::FailureReason;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn status_condition(kind: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            last_transition_time: Time(at(0)),
            observed_generation: None,
        }
    }

    /// A status whose URL is due for renewal at 600 and expires at 1000.
    fn status(ready: &str, reason: &str) -> PresignedUrlStatus {
        PresignedUrlStatus {
            conditions: vec![status_condition(READY, ready, reason)],
            renewal_time: Some(Time(at(600))),
            expiration_time: Some(Time(at(1000))),
            ..PresignedUrlStatus::default()
        }
    }

    #[test]
    fn late_expiring_and_expired_follow_the_times() {
        // The reason and the second; then the numbers of overdue, expiring and expired objects.
        for (reason, second, expected) in [
            ("Issued", 599, (0, 0, 0)),
            ("Issued", 600, (1, 0, 0)),
            ("RenewalFailing", 800, (1, 0, 0)),
            ("RenewalFailing", 801, (1, 1, 0)),
            ("RenewalFailing", 999, (1, 1, 0)),
            ("CredentialsNotFound", 1000, (0, 0, 1)),
            (AWAITING, 700, (0, 0, 0)),
            (AWAITING, 900, (0, 1, 0)),
            (SUSPENDED, 900, (0, 0, 0)),
            (SUSPENDED, 2000, (0, 0, 0)),
        ] {
            let mut totals = ObjectTotals::default();
            totals.add(&status("True", reason), at(second));
            let found = (totals.overdue, totals.expiring, totals.expired);
            assert_eq!(found, expected, "{reason} at {second}");
            assert_eq!(totals.next, (second < 1000).then(|| at(1000)), "{reason} at {second}");
        }
    }

    #[test]
    fn every_object_counts_once_whatever_it_says() {
        let mut totals = ObjectTotals::default();
        totals.add(&PresignedUrlStatus::default(), at(0));
        totals.add(&status("Unknown", "ApiError"), at(0));
        totals.add(&status("True", "OfAnotherRelease"), at(0));
        assert_eq!(totals.by_status().collect::<Vec<_>>(), [("True", 1), ("False", 0), ("Unknown", 2)]);
        let reasons: Vec<_> = totals.by_reason().filter(|(_, count)| *count > 0).collect();
        assert_eq!(reasons, [("ApiError", 1), ("Unknown", 2)]);
    }

    #[test]
    fn a_url_that_the_store_refuses_counts_by_the_reason() {
        let mut totals = ObjectTotals::default();
        for (verified, reason) in [
            ("False", "UnknownKey"),
            ("False", "UnknownKey"),
            ("False", "NoSuchKey"),
            ("False", "OfAnotherRelease"),
            ("True", "Accepted"),
            ("Unknown", "Unreachable"),
            ("Unknown", "NotAsked"),
        ] {
            let mut status = status("True", "Issued");
            let verified = status_condition(VERIFIED, verified, reason);
            status.conditions.push(verified);
            totals.add(&status, at(0));
        }
        let counted: Vec<_> = totals.by_refusal().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("UnknownKey", 2), ("NoSuchKey", 1)]);
        assert_eq!(totals.by_refusal().count(), 9, "Accepted and Unreachable are no refusals");
    }

    #[test]
    fn knows_every_reason_of_a_failure() {
        for reason in FailureReason::VARIANTS {
            assert!(REASONS.contains(&reason.into()), "{reason}");
        }
    }
}
