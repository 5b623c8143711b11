//! What usually goes wrong with a presigned URL: changes of a request, each of which may give the request
//! that was signed. Pure.

mod address;
mod headers;
mod scope;

use super::canonical::SignedParts;
use super::difference::{Difference, RequestPart};
use super::sent::{KnownSigned, SentRequest};
use crate::domain::Credentials;
pub(super) use scope::{SECRET_FIX, misread_secrets, other_scopes};

/// A change of the request that is sent, which may give the one that was signed.
pub(super) struct Variant {
    /// What is wrong if the changed request has the signature of the URL.
    pub(super) finding: Difference,
    change: Box<dyn Fn(&mut SignedParts)>,
}

impl Variant {
    fn new(
        part: RequestPart,
        found: impl Into<String>,
        fix: impl Into<String>,
        change: impl Fn(&mut SignedParts) + 'static,
    ) -> Self {
        Self { finding: Difference::new(part, found, fix), change: Box::new(change) }
    }

    /// The request with the change.
    pub(super) fn of(&self, parts: &SignedParts) -> SignedParts {
        let mut changed = parts.clone();
        (self.change)(&mut changed);
        changed
    }
}

/// All variants of a request.
pub(super) fn variants(sent: &SentRequest, credentials: &Credentials, known: &KnownSigned) -> Vec<Variant> {
    let mut all = method(sent);
    all.extend(address::hosts(sent, known));
    all.extend(address::paths(sent));
    all.extend(headers::headers(sent, known));
    all.extend(scope::query(sent));
    all.extend(scope::session(sent, credentials));
    all.extend(scope::secret(credentials));
    all.extend(scope::scopes(sent));
    all
}

fn method(sent: &SentRequest) -> Vec<Variant> {
    let methods =
        ["GET", "HEAD", "PUT", "POST", "DELETE"].into_iter().filter(|method| *method != sent.method);
    methods
        .map(|method| {
            Variant::new(
                RequestPart::Method,
                format!("the URL is signed for {method}, and {} is sent", sent.method),
                format!("send {method}, or ask for a URL for {}", sent.method),
                move |parts| method.clone_into(&mut parts.method),
            )
        })
        .collect()
}
