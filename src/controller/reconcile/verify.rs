//! Leaves a question to the store after a new URL was written.

use super::observe::Observed;
use crate::controller::context::Context;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::verification::{StoreQuestion, WrittenUrl};
use crate::domain::reason::IssueReason;
use crate::domain::status::has_answer;
use crate::domain::stored::UrlDigest;
use crate::domain::verification::{Verify, is_change};
use crate::domain::{IssuedSecret, SignedUrl};
use crate::runtime::Key;

/// A URL that was sent to the API server.
pub(super) struct SentUrl<'a> {
    reason: IssueReason,
    signed: &'a SignedUrl,
    /// The URL in the Secret that was sent.
    url: Option<UrlDigest>,
    /// Whether the API server has it; if not, nobody knows.
    is_stored: bool,
}

impl<'a> SentUrl<'a> {
    /// A URL that is about to be sent in this Secret. Without a question about it, it has no digest.
    pub(super) fn of(
        observed: &Observed,
        reason: IssueReason,
        signed: &'a SignedUrl,
        rendered: &IssuedSecret,
    ) -> Self {
        let is_wanted = observed.request().is_some_and(|request| request.verify.when != Verify::None);
        let url = if is_wanted { rendered.content().url } else { None };
        Self { reason, signed, url, is_stored: true }
    }

    /// The same, when nobody knows whether it was stored.
    pub(super) fn unconfirmed(&self) -> Self {
        Self { is_stored: false, ..*self }
    }
}

/// Leaves a question about a URL, if the spec asks for one. It is asked beside the reconciles, as soon as the
/// URL is in the Secret.
pub(super) fn leave_question(
    ctx: &Context,
    object: &LeanPresignedUrl,
    observed: &Observed,
    sent: &SentUrl<'_>,
) {
    let (Some(resolved), Ok(credentials)) = (observed.resolved(), &observed.credentials) else { return };
    let Some(url) = sent.url else { return };
    let Some(route) = ctx.verifications.route(&resolved.request, sent.signed) else { return };
    let key = Key::from(object);
    // What is not reported yet is about another URL, so that the status says nothing of this one.
    let has_answer = has_answer(&object.status) && !ctx.verifications.is_open(&key);
    let question = resolved.request.verify.asks(sent.reason, has_answer).then(|| StoreQuestion {
        resolved: resolved.clone(),
        credentials: credentials.clone(),
        validity: sent.signed.validity,
        route,
    });
    let written = WrittenUrl { url, is_stored: sent.is_stored, is_renewal: !is_change(sent.reason) };
    ctx.verifications.issued(&key, object.uid(), &written, question);
}
