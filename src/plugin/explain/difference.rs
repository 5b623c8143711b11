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
    Field,
}

/// What is wrong. No part of the signature, of a token or of a secret key is in it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Difference {
    pub(super) part: RequestPart,
    pub(super) found: String,
    /// What to do.
    pub(super) fix: String,
}

impl Difference {
    pub(super) fn new(part: RequestPart, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { part, found: found.into(), fix: fix.into() }
    }
}

impl Explanation {
    /// What was found by comparing these parts.
    pub(super) fn new(
        is_same_signature: bool,
        mut findings: Vec<Difference>,
        compared: &[RequestPart],
    ) -> Self {
        let has = |part: RequestPart| findings.iter().any(|finding| finding.part == part);
        // With another key, nothing that only the signature tells can be compared.
        let is_explained = is_same_signature || !has(RequestPart::AccessKey);
        let is_told = |part| is_explained || matches!(part, RequestPart::Clock | RequestPart::Field);
        let agrees = compared.iter().copied().filter(|part| !has(*part) && is_told(*part)).collect();
        findings.sort_by_key(|finding| finding.part);
        findings.dedup();
        Self { is_same_signature, findings, agrees }
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
