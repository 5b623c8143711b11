//! What is wrong with a request: the part, what was found, and what to do.

use serde::Serialize;

/// A part of a request.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(super) enum RequestPart {
    Host,
    DefaultPort,
    Header,
    Method,
    KeyEncoding,
    Query,
    Clock,
    Session,
    AccessKey,
    Scope,
}

/// What is wrong. No part of the signature, of a token or of a secret key is in it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Difference {
    pub(super) part: RequestPart,
    /// What was found.
    pub(super) found: String,
    /// What to do.
    pub(super) fix: String,
}

impl Difference {
    pub(super) fn new(part: RequestPart, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { part, found: found.into(), fix: fix.into() }
    }
}

/// What a comparison found.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explanation {
    /// Whether the request as it is sent has the signature of the URL.
    pub(super) is_same_signature: bool,
    /// What is wrong; nothing if a store accepts the request, as far as can be told offline.
    pub(super) findings: Vec<Difference>,
    /// What could be compared and is right.
    pub(super) agrees: Vec<RequestPart>,
}
