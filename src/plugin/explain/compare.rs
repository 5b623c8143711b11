//! Compares the request that is sent with the one that was signed, and says what differs. Pure.

use jiff::Timestamp;

use super::canonical::SignedParts;
use super::difference::{Difference, Explanation, RequestPart};
use super::direct::direct;
use super::sent::{KnownSigned, SentRequest};
use super::variants::variants;
use crate::domain::Credentials;
use crate::plugin::url_text::NotPresigned;

/// The clocks that a request is judged with.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    /// The time of this computer.
    pub(super) here: Timestamp,
    /// The time of the store, if it is known.
    pub(super) store: Option<Timestamp>,
}

impl Clocks {
    /// The time that counts: that of the store if it is known.
    pub(super) fn now(self) -> Timestamp {
        self.store.unwrap_or(self.here)
    }
}

/// Finds what is wrong with a request.
///
/// # Errors
/// When the URL cannot be read.
pub(super) fn compare(
    sent: &SentRequest,
    credentials: &Credentials,
    known: &KnownSigned,
    clocks: Clocks,
) -> Result<Explanation, NotPresigned> {
    let mut findings = direct(sent, credentials, clocks)?;
    let parts = sent.parts(credentials)?;
    let signature = sent.url.parameter("X-Amz-Signature").unwrap_or_default();
    let is_same_signature = parts.signature() == signature;
    let has_other_key = findings.iter().any(|finding| finding.part == RequestPart::AccessKey);
    // Another key gives another signature whatever else is tried.
    if !is_same_signature && !has_other_key {
        match search(&parts, &signature, sent, credentials, known) {
            Some(found) => merge(&mut findings, found),
            None => findings.push(unexplained(sent, &findings)),
        }
    }
    Ok(Explanation::new(is_same_signature, findings, &COMPARED))
}

/// What is compared.
const COMPARED: [RequestPart; 10] = [
    RequestPart::Host,
    RequestPart::DefaultPort,
    RequestPart::Header,
    RequestPart::Method,
    RequestPart::KeyEncoding,
    RequestPart::Query,
    RequestPart::Clock,
    RequestPart::Session,
    RequestPart::AccessKey,
    RequestPart::Scope,
];

/// The changes that give the signature of the URL: one, or two of different parts.
fn search(
    parts: &SignedParts,
    signature: &str,
    sent: &SentRequest,
    credentials: &Credentials,
    known: &KnownSigned,
) -> Option<Vec<Difference>> {
    let all = variants(sent, credentials, known);
    let key = parts.key();
    let is_it = |changed: &SignedParts| {
        let is_same_key = changed.has_key_of(parts);
        signature == if is_same_key { changed.signature_with(&key) } else { changed.signature() }
    };
    if let Some(variant) = all.iter().find(|variant| is_it(&variant.of(parts))) {
        return Some(vec![variant.finding.clone()]);
    }
    if let Some(finding) = times(parts, is_it) {
        return Some(vec![finding]);
    }
    for (number, first) in all.iter().enumerate() {
        let changed = first.of(parts);
        let others = all[number + 1..].iter().filter(|second| second.finding.part != first.finding.part);
        for second in others {
            if is_it(&second.of(&changed)) {
                return Some(vec![first.finding.clone(), second.finding.clone()]);
            }
        }
    }
    None
}

/// Whether the time or the lifetime in the URL was changed after signing.
fn times(parts: &SignedParts, is_it: impl Fn(&SignedParts) -> bool) -> Option<Difference> {
    let mut changed = parts.clone();
    let minutes = (1..=10_080).map(|minutes| minutes * 60);
    for seconds in (1..60).chain(minutes) {
        changed.set_parameter("X-Amz-Expires", Some(&seconds.to_string()));
        if is_it(&changed) {
            return Some(Difference::new(
                RequestPart::Clock,
                format!("X-Amz-Expires was changed after signing: it was {seconds}"),
                "ask for a URL with the lifetime that you want",
            ));
        }
    }
    let mut changed = parts.clone();
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &parts.date).ok()?;
    for half_hours in -28..=28 {
        let other = time.checked_add(jiff::SignedDuration::from_mins(30 * half_hours)).ok()?;
        let other = other.strftime("%Y%m%dT%H%M%SZ").to_string();
        changed.set_parameter("X-Amz-Date", Some(&other));
        other.clone_into(&mut changed.date);
        if is_it(&changed) {
            return Some(Difference::new(
                RequestPart::Clock,
                "X-Amz-Date was changed after signing, by a time zone or by hand",
                "send the URL exactly as it was issued; the time in it is UTC",
            ));
        }
    }
    None
}

/// Adds what a search found; it tells more about a header than that the header is missing.
fn merge(findings: &mut Vec<Difference>, found: Vec<Difference>) {
    for new in found {
        let name = new.found.split(' ').next().unwrap_or_default().to_owned();
        findings.retain(|old| {
            !(old.part == new.part
                && new.part == RequestPart::Header
                && old.found.starts_with(&format!("{name} is signed")))
        });
        findings.push(new);
    }
}

/// What is said when no change gives the signature.
fn unexplained(sent: &SentRequest, findings: &[Difference]) -> Difference {
    let missing: Vec<_> = sent.signed().into_iter().filter(|name| sent.header(name).is_none()).collect();
    if !missing.is_empty() && findings.iter().any(|finding| finding.part == RequestPart::Header) {
        return Difference::new(
            RequestPart::Header,
            format!(
                "the value that was signed for {} is not known, so nothing else can be compared",
                missing.join(", ")
            ),
            "repeat the command with -H and the value that was signed",
        );
    }
    Difference::new(
        RequestPart::AccessKey,
        "the access key id agrees, but no usual mistake gives the signature of the URL: the secret access key differs, or a value in the URL, a header or the host was changed to one that cannot be guessed",
        "compare the secret access key; name hosts and headers that may have been signed with --signed-host and --signed-header",
    )
}

#[cfg(test)]
mod tests;
