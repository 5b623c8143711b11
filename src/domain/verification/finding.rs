//! What the answer of a store means to the user, as a sentence that says what to change.

use crate::crd::VerifyResult;
use crate::domain::request::Request;

/// What the answer of a store means, or why there is none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Finding {
    /// The store accepts the request.
    Accepted,
    /// The store accepts the access key and the signature.
    CredentialsAccepted,
    /// The credentials lack a permission.
    AccessDenied,
    /// The store does not know the access key.
    UnknownKey,
    /// The secret access key is wrong, or a proxy changes requests.
    SignatureDoesNotMatch,
    /// The region is wrong.
    WrongRegion {
        /// The region that the store named, if it has the form of one.
        named: Option<String>,
    },
    /// The bucket does not exist.
    NoSuchBucket,
    /// The object or its version does not exist.
    NoSuchKey,
    /// The clocks differ.
    ClockSkewed {
        /// How many seconds the clock of the store is ahead of ours.
        ahead: Option<i64>,
    },
    /// The session token is refused.
    TokenRefused,
    /// The answer sends clients to another address.
    Redirected {
        /// The status code.
        status: u16,
    },
    /// Another error.
    Rejected {
        /// The status code.
        status: u16,
    },
    /// There was no usable answer.
    Unreachable(VerifyOutage),
    /// The store was not asked.
    NotAsked(NotAsked),
}

/// Why there was no usable answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum VerifyOutage {
    /// The name cannot be resolved.
    #[error("the operator cannot resolve its name")]
    Unresolved,
    /// No connection was made.
    #[error("the operator cannot reach it")]
    Unconnected,
    /// A connection was made, and closed before the end of the answer.
    #[error("it closed the connection before the end of its answer")]
    Cut,
    /// The TLS handshake failed.
    #[error("TLS failed, because its certificate is not trusted, is not valid for its name, or is missing")]
    Tls,
    /// There was no complete answer in time.
    #[error("it did not answer within 5 seconds")]
    Timeout,
    /// The answer is not HTTP.
    #[error("its answer is not HTTP")]
    Garbage,
    /// The store asks for fewer requests.
    #[error("it is busy")]
    Busy,
    /// The store has a fault.
    #[error("it has a fault (status {0})")]
    Fault(u16),
}

/// Why the store was not asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAsked {
    /// The operator asks only about stores that its administrator chose.
    #[error(
        "the operator does not ask {authority:?}: it asks only stores of the ClusterSigner that the PresignedUrl names, and those that its administrator permits: use a ClusterSigner, or ask the administrator (--verify-allow {authority})"
    )]
    Host {
        /// Host and port.
        authority: String,
    },
    /// The name has only addresses that may not be asked.
    #[error(
        "the operator does not ask {authority:?}, because it has an internal address: ask the administrator of the operator to permit it with its addresses (--verify-allow {authority}=CIDR)"
    )]
    Internal {
        /// Host and port.
        authority: String,
    },
    /// The certificates cannot be used.
    #[error("the operator does not ask the store: {0}")]
    CaBundle(String),
    /// The question cannot be signed or sent.
    #[error("the operator cannot ask about this request")]
    Impossible,
    /// Too many questions wait.
    #[error(
        "the operator did not ask the store, because too many questions wait: it asks about the next URL"
    )]
    Overloaded,
}

/// What an answer is about, for the sentences.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct VerifyPlace {
    /// Where the credentials are, as messages say it after "the credentials".
    pub credentials: String,
    /// The signer that the connection belongs to, if it belongs to one.
    pub signer: Option<String>,
}

impl VerifyPlace {
    /// The place for a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let signer = request.credentials.signer.as_ref().map(ToString::to_string);
        Self { credentials: request.credentials.place(), signer }
    }

    /// What to do about a field of the connection.
    fn correct(&self, field: &str) -> String {
        match &self.signer {
            Some(signer) => format!("ask the owner of {signer} to correct its s3.{field}"),
            None => format!("correct spec.s3.{field}"),
        }
    }
}

impl Finding {
    /// What the status reports; `None` when the store was not asked.
    #[must_use]
    pub fn result(&self) -> Option<VerifyResult> {
        Some(match self {
            Self::Accepted => VerifyResult::Accepted,
            Self::CredentialsAccepted => VerifyResult::CredentialsAccepted,
            Self::AccessDenied => VerifyResult::AccessDenied,
            Self::UnknownKey => VerifyResult::UnknownKey,
            Self::SignatureDoesNotMatch => VerifyResult::SignatureDoesNotMatch,
            Self::WrongRegion { .. } => VerifyResult::WrongRegion,
            Self::NoSuchBucket => VerifyResult::NoSuchBucket,
            Self::NoSuchKey => VerifyResult::NoSuchKey,
            Self::ClockSkewed { .. } => VerifyResult::ClockSkewed,
            Self::TokenRefused => VerifyResult::TokenRefused,
            Self::Redirected { .. } | Self::Rejected { .. } => VerifyResult::Rejected,
            Self::Unreachable(_) => VerifyResult::Unreachable,
            Self::NotAsked(_) => return None,
        })
    }

    /// The sentence for the condition. It contains nothing of the answer but a status code and a region.
    #[must_use]
    pub fn message(&self, place: &VerifyPlace) -> String {
        let credentials = &place.credentials;
        match self {
            Self::Accepted => ACCEPTED.to_owned(),
            Self::CredentialsAccepted => CREDENTIALS_ACCEPTED.to_owned(),
            Self::AccessDenied => format!(
                "the store denies the request: grant the credentials {credentials} the permission to read the object (some stores answer the same when it does not exist, or when the account is disabled)"
            ),
            Self::UnknownKey => format!(
                "the store does not know the access key: correct the credentials {credentials}, or {}",
                place.correct("endpoint")
            ),
            Self::SignatureDoesNotMatch => format!(
                "the store refuses the signature: correct the secret access key in the credentials {credentials}, or find out whether a proxy before the store changes requests"
            ),
            Self::WrongRegion { named: Some(named) } => {
                format!("the store has another region: {} to {named:?}", place.correct("region"))
            }
            Self::WrongRegion { named: None } => {
                format!("the store has another region: {}", place.correct("region"))
            }
            Self::NoSuchBucket => {
                "the store has no such bucket: correct spec.bucket, or create the bucket".to_owned()
            }
            Self::NoSuchKey => {
                "the store has no such object: correct spec.key or spec.versionID, or upload the object"
                    .to_owned()
            }
            Self::ClockSkewed { ahead } => {
                let by = match ahead {
                    Some(ahead) if *ahead > 0 => {
                        format!("the clock of the store is {ahead} seconds ahead of that of the operator")
                    }
                    Some(ahead) => {
                        let behind = ahead.unsigned_abs();
                        format!("the clock of the store is {behind} seconds behind that of the operator")
                    }
                    None => "the clocks of the store and of the operator differ".to_owned(),
                };
                format!("the URL is not valid at the time of the store: {by}: correct the wrong one")
            }
            Self::TokenRefused => format!(
                "the store refuses the session token: renew the credentials {credentials}, or use credentials that this store issued"
            ),
            Self::Redirected { status } => format!(
                "the store redirects to another address (status {status}), which is not followed: {}",
                place.correct("endpoint")
            ),
            Self::Rejected { status } => format!(
                "the store answered with status {status}, which is no answer to such a request: {}, or its addressingStyle",
                place.correct("endpoint")
            ),
            Self::Unreachable(outage) => format!(
                "the store gave no answer, because {outage}: check the endpoint and the network of the operator; it asks again a few times, and about the next URL"
            ),
            Self::NotAsked(why) => why.to_string(),
        }
    }
}

/// The sentence for [`VerifyResult::Accepted`].
pub(in crate::domain) const ACCEPTED: &str =
    "the store accepts the access key, the signature and the request";
/// The sentence for [`VerifyResult::CredentialsAccepted`].
pub(in crate::domain) const CREDENTIALS_ACCEPTED: &str =
    "the store accepts the access key and the signature; whether it permits the request itself was not tried";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::{request, signer};
    use crate::domain::policy::Requester;

    #[test]
    fn the_place_is_that_of_the_credentials_and_of_their_signer() {
        let mut request = request();
        let own = VerifyPlace { credentials: "in Secret \"keys\"".to_owned(), signer: None };
        assert_eq!(VerifyPlace::of(&request), own);
        request.credentials = signer().credentials(Requester::new("team-a", "report")).unwrap();
        let name = "ClusterSigner \"media\"".to_owned();
        let theirs = VerifyPlace { credentials: format!("of {name}"), signer: Some(name) };
        assert_eq!(VerifyPlace::of(&request), theirs);
    }

    #[test]
    fn sentences_say_what_to_change_and_for_a_signer_who() {
        let own = VerifyPlace { credentials: "in Secret \"keys\"".to_owned(), signer: None };
        let signer = "ClusterSigner \"media\"".to_owned();
        let theirs = VerifyPlace { credentials: format!("of {signer}"), signer: Some(signer) };
        let region = Finding::WrongRegion { named: Some("eu-west-1".to_owned()) };
        for (finding, place, said) in [
            (Finding::UnknownKey, &own, "in Secret \"keys\""),
            (region.clone(), &own, "correct spec.s3.region to \"eu-west-1\""),
            (
                region,
                &theirs,
                "the owner of ClusterSigner \"media\" to correct its s3.region to \"eu-west-1\"",
            ),
            (Finding::ClockSkewed { ahead: Some(901) }, &own, "901 seconds ahead"),
            (Finding::ClockSkewed { ahead: Some(-60) }, &own, "60 seconds behind"),
            (Finding::Unreachable(VerifyOutage::Timeout), &own, "within 5 seconds"),
        ] {
            let message = finding.message(place);
            assert!(message.contains(said), "{message}");
        }
    }
}
