//! Why the stored URL is not the one that would be signed at its signing time.

use super::Case;
use crate::domain::Credentials;
use crate::domain::reason::IssueReason;
use crate::domain::stored::{Stored, UrlDigest};

impl<'a> Case<'a> {
    pub(super) fn has_session(&self) -> bool {
        self.request.credentials.has_session()
    }

    /// The credentials that would sign the stored URL again. For sessions there are none, because another
    /// one may have signed it.
    fn compared_credentials(&self) -> Option<&'a Credentials> {
        self.credentials.filter(|_| !self.has_session())
    }
}

/// Whether another client wrote the stored URL: `managedFields` does not show it as ours, and it is not
/// the URL that we would sign.
#[must_use]
pub fn is_planted(case: &Case<'_>, stored: &Stored, url: &UrlDigest) -> bool {
    !stored.is_url_ours && difference(case, stored, url).is_some()
}

/// Why the stored URL is not the one that would be signed at its signing time.
///
/// A URL that another client wrote says nothing about the spec or the credentials, so any difference is
/// then `Drifted`.
pub(super) fn difference(case: &Case<'_>, stored: &Stored, url: &UrlDigest) -> Option<IssueReason> {
    let rendered = case.rendered?;
    let fresh = rendered.url?;
    let is_other_use = stored.content.usage.is_some_and(|usage| Some(usage) != rendered.usage);
    let compared = case.compared_credentials();
    let reason = if url.address != fresh.address || (is_other_use && !stored.is_other_format) {
        IssueReason::SpecChanged
    } else if stored.source != case.request.source() {
        IssueReason::CredentialsChanged
    } else if let Some(reason) = lifetime_difference(case, url, &fresh) {
        reason
    } else if compared.is_some() && url.identity != fresh.identity {
        IssueReason::CredentialsChanged
    } else if compared.is_some() && !stored.is_other_format && url.signature != fresh.signature {
        // The key id has another secret key now, or the signature is not ours.
        IssueReason::CredentialsChanged
    } else if url.text != fresh.text && !stored.is_other_format {
        // The parameters are equal but the text differs: another client edited it.
        IssueReason::Drifted
    } else if case.has_session() && !stored.is_url_ours {
        // Nothing shows whether a session of ours signed it.
        IssueReason::Drifted
    } else {
        return None;
    };
    Some(if stored.is_url_ours { reason } else { IssueReason::Drifted })
}

/// Whether the URL would get another lifetime now, and whether the spec or the credentials cause it.
///
/// A longer lifetime can have either cause. A session with the same identity cannot have become longer,
/// so the spec must have changed. With another identity, its expiration is the likelier cause.
fn lifetime_difference(case: &Case<'_>, url: &UrlDigest, fresh: &UrlDigest) -> Option<IssueReason> {
    let (stored, now) = (url.validity.lifetime, fresh.validity.lifetime);
    let requested = case.stored.and_then(|stored| stored.requested);
    let is_other_request = requested.is_some_and(|requested| requested != case.request.expires_in);
    // The session that limited the stored URL may be gone.
    if case.has_session() {
        return (is_other_request && stored != case.request.lifetime()).then_some(IssueReason::SpecChanged);
    }
    let is_other_request = case.request.credentials.signer.is_some() && is_other_request;
    let is_longer = now > stored && url.identity == fresh.identity;
    let is_spec = stored > case.request.expires_in || is_longer || is_other_request;
    let reason = if is_spec { IssueReason::SpecChanged } else { IssueReason::CredentialsChanged };
    (stored != now).then_some(reason)
}
