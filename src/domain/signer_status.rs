//! The status of a signer, as a pure function of the previous one and of what was observed.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::Credentials;
use super::reason::FailureReason;
use super::signer::ParsedSigner;
use crate::crd::{READY, SignerStatus, condition};

/// What was observed about a signer.
#[derive(Clone, Debug)]
pub struct SignerObservation<'a> {
    /// Generation of the spec.
    pub generation: Option<i64>,
    /// The parsed spec, or why it is not valid.
    pub parsed: Result<&'a ParsedSigner, &'a str>,
    /// The access key, `None` if the signer has none, or what is wrong with the credentials and why; not
    /// used if the spec is not valid.
    pub credentials: Result<Option<&'a Credentials>, (FailureReason, String)>,
    /// How many objects it allows and denies.
    pub counts: (i64, i64),
    /// Whether the operator watches the labels of namespaces.
    pub knows_labels: bool,
    /// Whether this process has led for so short a time that perhaps nobody has asked for a session yet.
    pub is_new_leader: bool,
}

impl SignerObservation<'_> {
    /// Whether the signer can sign at `now`, the reason, and a message.
    #[must_use]
    pub fn verdict(&self, now: Timestamp) -> (bool, &'static str, String) {
        let signer = match self.parsed {
            Ok(signer) => signer,
            Err(why) => return (false, FailureReason::InvalidSpec.into(), why.to_owned()),
        };
        let credentials = match &self.credentials {
            Ok(credentials) => *credentials,
            Err((reason, message)) => return (false, (*reason).into(), message.clone()),
        };
        let note = signer.note(self.knows_labels).map(|note| format!("; note: {note}")).unwrap_or_default();
        if signer.has_session() {
            return (true, "Ready", format!("the operator gets a session when a URL is signed{note}"));
        }
        match credentials.and_then(|credentials| credentials.expiration) {
            Some(expiration) if expiration <= now => {
                let message = format!("the credentials expired at {expiration}: renew them");
                (false, FailureReason::CredentialsExpired.into(), message)
            }
            Some(expiration) => {
                (true, "Ready", format!("the credentials can sign, and expire at {expiration}{note}"))
            }
            None => (true, "Ready", format!("the credentials can sign{note}")),
        }
    }

    /// The status. It equals `previous` when nothing changed, so that nothing is written.
    #[must_use]
    pub fn status(&self, previous: &SignerStatus, now: Timestamp) -> SignerStatus {
        let (is_ready, reason, message) = self.verdict(now);
        let status = if is_ready { "True" } else { "False" };
        let before = condition(&previous.conditions, READY);
        let (allowed, denied) = self.counts;
        let with_condition = |condition| SignerStatus {
            observed_generation: self.generation,
            conditions: vec![condition],
            allowed: Some(allowed),
            denied: Some(denied),
        };
        // What an earlier leader reported. That it ended shows when a session is asked for.
        if is_ready
            && self.is_new_leader
            && self.parsed.is_ok_and(ParsedSigner::has_session)
            && let Some(reported) = before
            && (reported.status.as_str(), reported.observed_generation) == ("False", self.generation)
        {
            return with_condition(reported.clone());
        }
        let since = before.filter(|before| before.status == status);
        with_condition(Condition {
            last_transition_time: since.map_or(Time(now), |since| since.last_transition_time.clone()),
            message,
            observed_generation: self.generation,
            reason: reason.to_owned(),
            status: status.to_owned(),
            type_: READY.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::SignerKind;
    use crate::domain::model::{at, credentials, signer};
    use crate::domain::signer::SignerId;

    fn signer_with_session() -> ParsedSigner {
        let spec = serde_json::json!({"s3": {
            "endpoint": "https://us-west.s3.qencode.com",
            "region": "us-west",
            "credentials": {
                "secretRef": {"name": "key"},
                "assumeRole": {"roleARN": "arn:aws:iam::1:role/reports"},
                "session": {"sts": {"endpoint": "https://us-west.s3.qencode.com"}},
            },
        }});
        let (namespace, name) = ("team-a".to_owned(), "reports".to_owned());
        let id = SignerId { kind: SignerKind::Signer, namespace, name };
        ParsedSigner::of_namespace(id, "u".to_owned(), 1, &serde_json::from_value(spec).unwrap()).unwrap()
    }

    #[test]
    fn tells_whether_it_can_sign_and_since_when() {
        let (signer, key) = (signer(), credentials("AKIA", Some(at(100))));
        let usable = SignerObservation {
            generation: Some(2),
            parsed: Ok(&signer),
            credentials: Ok(Some(&key)),
            counts: (1, 0),
            knows_labels: false,
            is_new_leader: false,
        };
        let missing = SignerObservation {
            credentials: Err((FailureReason::CredentialsNotFound, "gone".to_owned())),
            ..usable.clone()
        };
        let broken = SignerObservation { parsed: Err("spec.s3.region: bad"), ..usable.clone() };
        let mut status = SignerStatus::default();
        for (observation, second, ready, reason, since) in [
            (&usable, 1, "True", "Ready", 1),
            (&usable, 99, "True", "Ready", 1),
            (&usable, 100, "False", "CredentialsExpired", 100),
            (&missing, 200, "False", "CredentialsNotFound", 100),
            (&broken, 300, "False", "InvalidSpec", 100),
            (&usable, 50, "True", "Ready", 50),
        ] {
            status = observation.status(&status, at(second));
            let [condition] = &status.conditions[..] else { panic!("{status:?}") };
            assert_eq!((condition.status.as_str(), condition.reason.as_str()), (ready, reason), "{second}");
            assert_eq!(condition.last_transition_time.0, at(since), "{second}");
            assert_eq!(observation.status(&status, at(second)), status, "nothing changed at {second}");
        }
    }

    #[test]
    fn a_new_leader_keeps_for_a_while_that_a_signer_gets_no_sessions() {
        let (of_key, with_session) = (signer(), signer_with_session());
        let failed = |signer| SignerObservation {
            generation: Some(2),
            parsed: Ok(signer),
            credentials: Err((FailureReason::CredentialsDenied, "no".to_owned())),
            counts: (1, 0),
            knows_labels: false,
            is_new_leader: false,
        };
        for (signer, generation, is_new_leader, expected) in [
            (&with_session, 2, true, "False"),
            (&with_session, 2, false, "True"),
            (&with_session, 3, true, "True"),
            (&of_key, 2, true, "True"),
        ] {
            let before = failed(signer).status(&SignerStatus::default(), at(1));
            let works = SignerObservation {
                generation: Some(generation),
                credentials: Ok(None),
                counts: (2, 1),
                is_new_leader,
                ..failed(signer)
            };
            let status = works.status(&before, at(2));
            assert_eq!(status.conditions[0].status, expected, "{generation} {is_new_leader}");
            assert_eq!(status.conditions == before.conditions, expected == "False");
            assert_eq!((status.allowed, status.denied), (Some(2), Some(1)));
        }
        let before = failed(&with_session).status(&SignerStatus::default(), at(1));
        let other = (FailureReason::CredentialsUnavailable, "other".to_owned());
        let fails =
            SignerObservation { credentials: Err(other), is_new_leader: true, ..failed(&with_session) };
        assert_eq!(fails.status(&before, at(2)).conditions[0].message, "other");
    }
}
