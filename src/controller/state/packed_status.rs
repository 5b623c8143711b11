//! A status as the cache keeps it. The usual status is stored as a digest plus timestamps. The digest
//! shows whether the next report is the same. The timestamps are those of the URL and of the last
//! transitions of the conditions.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::crd::{PERMITTED, PresignedUrlStatus, READY, ROTATION_SAFE, VERIFIED, Verified, VerifyResult};
use crate::domain::status::ALLOWED;
use crate::domain::stored::Digest;

const ISSUED: &str = "Issued";
const TRUE: &str = "True";
const SAFE: &str = "OverlapSufficient";

/// A status as the cache keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PackedStatus {
    /// The usual status: a URL is issued, its rotation is safe, and its signer and its store, if they were
    /// asked, permit it.
    Issued(Box<Issued>),
    /// Any other status, as JSON.
    Other(Box<str>),
}

/// The times of a URL, in seconds since the epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Times {
    /// When the next URL is due.
    pub renewal: i64,
    /// When the URL expires.
    pub expiration: i64,
}

/// The usual status as a digest plus timestamps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issued {
    digest: Digest,
    ready_since: i64,
    safe_since: i64,
    permitted_since: Option<i64>,
    verified: Option<Box<IssuedVerified>>,
    renewal: i64,
    expiration: i64,
}

/// What the store answered, and since when the condition is true.
#[derive(Clone, Debug, Eq, PartialEq)]
struct IssuedVerified {
    since: i64,
    time: i64,
    result: VerifyResult,
}

/// The largest status that is kept, as JSON in bytes. The operator writes smaller ones.
const MAX_KEPT: usize = 32_768;

impl PackedStatus {
    /// Packs a status. A status that is too large was written by another client. It is kept as an empty
    /// one, so that the next report replaces it.
    #[must_use]
    pub fn pack(status: &PresignedUrlStatus) -> Self {
        let text = json(status);
        if text.len() > MAX_KEPT {
            return Self::Other(json(&PresignedUrlStatus::default()).into());
        }
        match Issued::of(status, &text) {
            Some(issued) => Self::Issued(Box::new(issued)),
            None => Self::Other(text.into()),
        }
    }

    /// Whether the packed status equals `status`.
    #[must_use]
    pub fn is(&self, status: &PresignedUrlStatus) -> bool {
        let text = json(status);
        match self {
            Self::Issued(issued) => issued.digest == Digest::of(&text),
            Self::Other(kept) => **kept == *text,
        }
    }

    /// When the URL in the status is due for renewal and when it expires; `None` without a URL.
    #[must_use]
    pub fn times(&self) -> Option<Times> {
        match self {
            Self::Issued(issued) => Some(Times { renewal: issued.renewal, expiration: issued.expiration }),
            Self::Other(_) => {
                let outline = self.outline();
                let expiration = outline.expiration_time?.0.as_second();
                let renewal = outline.renewal_time.map_or(expiration, |time| time.0.as_second());
                Some(Times { renewal, expiration })
            }
        }
    }

    /// Whether [`Self::outline`] is the whole status.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Other(_))
    }

    /// The status. For the usual one this is an outline: conditions and times, but no messages and no
    /// other fields.
    #[must_use]
    pub fn outline(&self) -> PresignedUrlStatus {
        match self {
            Self::Issued(issued) => issued.outline(),
            Self::Other(text) => serde_json::from_str(text).unwrap_or_default(),
        }
    }
}

impl Issued {
    fn of(status: &PresignedUrlStatus, text: &str) -> Option<Self> {
        let [ready, safe, others @ ..] = status.conditions.as_slice() else { return None };
        let (permitted, verified) = match others {
            [] => (None, None),
            [one] if one.type_ == VERIFIED => (None, Some(one)),
            [permitted] => (Some(permitted), None),
            [permitted, verified] => (Some(permitted), Some(verified)),
            _ => return None,
        };
        let is = |condition: &Condition, kind: &str, reason: &str| {
            condition.type_ == kind && condition.status == TRUE && condition.reason == reason
        };
        let is_usual = is(ready, READY, ISSUED) && is(safe, ROTATION_SAFE, SAFE);
        if !is_usual || !permitted.is_none_or(|permitted| is(permitted, PERMITTED, ALLOWED)) {
            return None;
        }
        let result = status.verified.as_ref().map(|verified| verified.result);
        let is_accepted = match (verified, result) {
            (
                Some(condition),
                Some(result @ (VerifyResult::Accepted | VerifyResult::CredentialsAccepted)),
            ) => is(condition, VERIFIED, result.into()),
            (condition, result) => condition.is_none() && result.is_none(),
        };
        if !is_accepted {
            return None;
        }
        let seconds = |time: &Time| (time.0.subsec_nanosecond() == 0).then(|| time.0.as_second());
        Some(Self {
            digest: Digest::of(text),
            ready_since: seconds(&ready.last_transition_time)?,
            safe_since: seconds(&safe.last_transition_time)?,
            permitted_since: match permitted {
                Some(permitted) => Some(seconds(&permitted.last_transition_time)?),
                None => None,
            },
            verified: match (verified, &status.verified) {
                (Some(condition), Some(Verified { time, result })) => Some(Box::new(IssuedVerified {
                    since: seconds(&condition.last_transition_time)?,
                    time: seconds(time)?,
                    result: *result,
                })),
                _ => None,
            },
            renewal: seconds(status.renewal_time.as_ref()?)?,
            expiration: seconds(status.expiration_time.as_ref()?)?,
        })
    }

    fn outline(&self) -> PresignedUrlStatus {
        let time = |seconds| Time(Timestamp::from_second(seconds).unwrap_or_default());
        let condition = |kind: &str, reason: &str, since| Condition {
            last_transition_time: time(since),
            message: String::new(),
            observed_generation: None,
            reason: reason.to_owned(),
            status: TRUE.to_owned(),
            type_: kind.to_owned(),
        };
        let permitted = self.permitted_since.map(|since| condition(PERMITTED, ALLOWED, since));
        let verified = self.verified.as_ref();
        let accepted = verified.map(|verified| condition(VERIFIED, verified.result.into(), verified.since));
        PresignedUrlStatus {
            verified: verified
                .map(|verified| Verified { time: time(verified.time), result: verified.result }),
            conditions: [
                condition(READY, ISSUED, self.ready_since),
                condition(ROTATION_SAFE, SAFE, self.safe_since),
            ]
            .into_iter()
            .chain(permitted)
            .chain(accepted)
            .collect(),
            // A reconcile asks only whether there was a signing time, not for its value.
            signing_time: Some(time(0)),
            renewal_time: Some(time(self.renewal)),
            expiration_time: Some(time(self.expiration)),
            ..PresignedUrlStatus::default()
        }
    }
}

fn json(status: &PresignedUrlStatus) -> String {
    serde_json::to_string(status).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status(change: impl FnOnce(&mut Value)) -> PresignedUrlStatus {
        let condition = |kind: &str, reason: &str| {
            json!({
                "type": kind, "status": "True", "reason": reason, "message": "m", "observedGeneration": 3,
                "lastTransitionTime": "2030-01-02T03:04:05Z",
            })
        };
        let mut status = json!({
            "observedGeneration": 3, "secretName": "s", "location": "l", "limitedBy": "Requested",
            "conditions": [condition(READY, ISSUED), condition(ROTATION_SAFE, SAFE)],
            "signingTime": "2030-01-02T03:04:05Z", "renewalTime": "2030-01-02T03:30:00Z",
            "expirationTime": "2030-01-02T04:04:05Z",
        });
        change(&mut status);
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn of_the_usual_one_the_next_pass_finds_what_it_asks_for() {
        let usual = status(|_| {});
        let packed = PackedStatus::pack(&usual);
        assert!(!packed.is_whole() && packed.is(&usual));
        let outline = packed.outline();
        assert_eq!(outline.conditions.len(), usual.conditions.len());
        for (kept, whole) in outline.conditions.iter().zip(&usual.conditions) {
            let parts = |c: &Condition| {
                (c.type_.clone(), c.status.clone(), c.reason.clone(), c.last_transition_time.clone())
            };
            assert_eq!(parts(kept), parts(whole));
        }
        assert_eq!(outline.renewal_time, usual.renewal_time);
        assert_eq!(outline.expiration_time, usual.expiration_time);
        assert!(outline.signing_time.is_some());
    }

    #[test]
    fn the_usual_one_may_have_been_verified() {
        let verified = |status: &mut Value, reason: &str, time: &str| {
            let mut condition = status["conditions"][0].clone();
            condition["type"] = json!(VERIFIED);
            condition["reason"] = json!(reason);
            status["conditions"].as_array_mut().unwrap().push(condition);
            status["verified"] = json!({"time": time, "result": "Accepted"});
        };
        let usual = status(|status| verified(status, "Accepted", "2030-01-02T03:05:00Z"));
        let packed = PackedStatus::pack(&usual);
        assert!(!packed.is_whole() && packed.is(&usual));
        assert_eq!(packed.outline().verified, usual.verified);
        assert_eq!(packed.outline().conditions[2].reason, "Accepted");
        let later = status(|status| verified(status, "Accepted", "2030-01-02T03:06:00Z"));
        assert!(!packed.is(&later));
        let other = status(|status| verified(status, "NoSuchKey", "2030-01-02T03:05:00Z"));
        assert!(PackedStatus::pack(&other).is_whole());
    }

    #[test]
    fn every_difference_is_noticed() {
        let packed = PackedStatus::pack(&status(|_| {}));
        for field in ["location", "secretName", "limitedBy", "signingTime", "renewalTime"] {
            let other = status(|status| status[field] = Value::Null);
            assert!(!packed.is(&other), "{field}");
        }
        assert!(!packed.is(&status(|status| status["conditions"][1]["message"] = json!("n"))));
    }

    #[test]
    fn any_other_is_kept_whole() {
        let changes: [fn(&mut Value); 5] = [
            |status| status["conditions"][0]["status"] = json!("False"),
            |status| status["conditions"][0]["reason"] = json!("RenewalFailing"),
            |status| status["conditions"][1]["reason"] = json!("Another"),
            |status| status["conditions"] = json!([]),
            |status| status["expirationTime"] = Value::Null,
        ];
        for change in changes {
            let status = status(change);
            let packed = PackedStatus::pack(&status);
            assert!(packed.is_whole() && packed.is(&status));
            assert_eq!(packed.outline(), status);
        }
    }
}
