//! Why there is no session. No text here may contain a token, a key, a policy, or more of an answer than
//! its status and code.

use std::error::Error;

use aws_sdk_sts::config::http::HttpResponse;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use super::http::Noted;
use crate::domain::limits::StsNotPermitted;
use crate::runtime::client::{CallFailure, InvalidCaBundle};

/// Codes of an STS that ask for fewer calls. Codes that begin with `Throttl` do too.
const THROTTLING: [&str; 5] = [
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "SlowDown",
];

/// Codes of an STS that does not accept the credentials of a request: it does not know them, or they expired.
const REFUSED_CREDENTIALS: [&str; 7] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// A call that gets a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StsStep {
    /// `AssumeRoleWithWebIdentity`.
    WebIdentity,
    /// `AssumeRole`.
    AssumeRole,
    /// The request for the credentials of the operator itself.
    Ambient,
}

/// Why there is no session. The texts are used in status messages.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StsFailure {
    /// The STS said no. Another attempt will not help.
    #[error("{} refused to issue a session ({})", step.server(), shown(code.as_deref(), *status))]
    Denied {
        /// The call.
        step: StsStep,
        /// The status code of the answer.
        status: u16,
        /// The error code in the answer, if it looks like one.
        code: Option<String>,
    },
    /// There was no usable answer. Another attempt may help.
    #[error("{} issued no session: {outage}", step.server())]
    Unavailable {
        /// The call.
        step: StsStep,
        /// Why there was no usable answer.
        outage: StsOutage,
    },
    /// The STS is not in the list of the operator.
    #[error(transparent)]
    NotPermitted(#[from] StsNotPermitted),
    /// The host has only addresses that its entry in the list does not permit.
    #[error(
        "the host of the STS has an internal address, which is refused: choose another STS, or ask the administrator of the operator to permit this host by its name (--sts-endpoints)"
    )]
    InternalAddress,
    /// The certificates for the STS cannot be used.
    #[error(transparent)]
    CaBundle(#[from] InvalidCaBundle),
    /// AWS has no STS in the region.
    #[error("AWS has no such STS for the region {region:?}: correct the region, or set an endpoint")]
    NoAddress {
        /// The region.
        region: String,
    },
    /// The operator has no identity of its own, or may not use it.
    #[error("the operator has no AWS identity of its own: {0}")]
    NoIdentity(&'static str),
}

/// Why there was no usable answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StsOutage {
    /// The STS asked for fewer calls.
    #[error("it asks for fewer requests")]
    Throttled,
    /// The STS has a fault.
    #[error("it has a fault (status {0})")]
    Fault(u16),
    /// The STS could not ask the issuer of the token for its keys.
    #[error("it could not reach the issuer of the token")]
    Issuer,
    /// There was no complete answer in time.
    #[error("it did not answer within 10 seconds")]
    Timeout,
    /// No connection was made, or it was closed.
    #[error("it cannot be reached")]
    Unreachable,
    /// The TLS handshake failed.
    #[error("TLS failed, because its certificate is not trusted, is not valid for its name, or is missing")]
    Tls,
    /// The answer sends clients to another address.
    #[error("it redirects to another address, which is not followed")]
    Redirect,
    /// The answer is too long.
    #[error("its answer has more than 64 KiB")]
    TooLong,
    /// The answer has no valid credentials.
    #[error("its answer has no valid credentials")]
    Garbage,
    /// The session had expired when it arrived.
    #[error("its session has already expired, so a clock is wrong")]
    Expired,
}

impl StsStep {
    fn server(self) -> &'static str {
        match self {
            Self::WebIdentity | Self::AssumeRole => "the STS",
            Self::Ambient => "the credentials endpoint of the operator",
        }
    }
}

impl StsOutage {
    /// The failure of a call because of this.
    pub(super) fn of(self, step: StsStep) -> StsFailure {
        StsFailure::Unavailable { step, outage: self }
    }
}

impl StsFailure {
    /// Whether another attempt may help although nothing changes here.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// Whether the STS does not accept the credentials that the request was signed with.
    #[must_use]
    pub fn is_of_credentials(&self) -> bool {
        let Self::Denied { step: StsStep::AssumeRole, code: Some(code), .. } = self else { return false };
        REFUSED_CREDENTIALS.contains(&code.as_str())
    }

    /// The failure of a call through the SDK.
    pub(super) fn of_call<E>(step: StsStep, noted: Noted, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let body = error.raw_response().and_then(|response| response.body().bytes());
        // The SDK finds a code only where AWS has it.
        let code = error.code().or_else(|| code_in(body?)).and_then(proper);
        Self::of(step, noted, code, error)
    }

    /// The failure of a call, from what was noted of the answer, and its code.
    pub(super) fn of(
        step: StsStep,
        noted: Noted,
        code: Option<String>,
        error: &(dyn Error + 'static),
    ) -> Self {
        let is_cut = match CallFailure::of(error) {
            CallFailure::InternalAddress => return Self::InternalAddress,
            CallFailure::TooLong => return StsOutage::TooLong.of(step),
            CallFailure::Tls => return StsOutage::Tls.of(step),
            CallFailure::Garbage => return StsOutage::Garbage.of(step),
            CallFailure::Cut => true,
            CallFailure::Unresolved | CallFailure::Other => false,
        };
        match noted.head.map(|head| head.status) {
            None => StsOutage::Unreachable.of(step),
            Some(_) if is_cut => StsOutage::Unreachable.of(step),
            Some(status) => Self::of_status(step, status, code),
        }
    }

    /// The failure that an answer with a status and a code means.
    fn of_status(step: StsStep, status: u16, code: Option<String>) -> Self {
        let name = code.as_deref().unwrap_or_default();
        if status == 429 || name.starts_with("Throttl") || THROTTLING.contains(&name) {
            return StsOutage::Throttled.of(step);
        }
        match (status, name) {
            (_, "IDPCommunicationError") => StsOutage::Issuer.of(step),
            (300..=399, _) => StsOutage::Redirect.of(step),
            (408 | 425 | 500.., _) => StsOutage::Fault(status).of(step),
            (400..=499, _) => Self::Denied { step, status, code },
            _ => StsOutage::Garbage.of(step),
        }
    }
}

/// The code in the body of an error that is not in the form of AWS.
fn code_in(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code.trim())
}

/// A code, if it looks like one. Anything else could be part of a secret.
fn proper(code: &str) -> Option<String> {
    let is_proper = |code: &str| code.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'.');
    ((1..=64).contains(&code.len()) && is_proper(code)).then(|| code.to_owned())
}

fn shown(code: Option<&str>, status: u16) -> String {
    code.map_or_else(|| format!("status {status}"), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_code_is_shown() {
        for good in ["AccessDenied", "Sender.InvalidParameter"] {
            assert_eq!(proper(good).as_deref(), Some(good));
        }
        for bad in ["", "a b", "AKIA123", "<b>", "é", &"a".repeat(65)] {
            assert_eq!(proper(bad), None, "{bad}");
        }
        assert_eq!(code_in(b"<Error><Code>AccessDenied</Code></Error>"), Some("AccessDenied"));
        assert_eq!(code_in(b"<html>403</html>"), None);
        let denied = |code| StsFailure::of_status(StsStep::AssumeRole, 403, code).to_string();
        assert_eq!(denied(proper("A.B")), "the STS refused to issue a session (A.B)");
        assert_eq!(denied(None), "the STS refused to issue a session (status 403)");
    }

    #[test]
    fn a_refusal_is_distinguished_from_an_outage() {
        let of = |status, code: &str| StsFailure::of_status(StsStep::WebIdentity, status, proper(code));
        for (status, code, outage) in [
            (429, "", StsOutage::Throttled),
            (400, "Throttling", StsOutage::Throttled),
            (400, "ThrottlingException", StsOutage::Throttled),
            (503, "SlowDown", StsOutage::Throttled),
            (400, "RequestLimitExceeded", StsOutage::Throttled),
            (400, "IDPCommunicationError", StsOutage::Issuer),
            (500, "InternalFailure", StsOutage::Fault(500)),
            (503, "", StsOutage::Fault(503)),
            (408, "", StsOutage::Fault(408)),
            (302, "", StsOutage::Redirect),
            (200, "", StsOutage::Garbage),
            (101, "", StsOutage::Garbage),
        ] {
            assert_eq!(of(status, code), outage.of(StsStep::WebIdentity), "{status} {code}");
        }
        for (status, code) in [(400, "ValidationError"), (403, "AccessDenied"), (401, ""), (404, "")] {
            let step = StsStep::WebIdentity;
            assert_eq!(of(status, code), StsFailure::Denied { step, status, code: proper(code) });
            assert!(!of(status, code).is_temporary());
        }
    }
}
