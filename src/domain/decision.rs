//! The decision what to do about one `PresignedUrl`.
//!
//! The Secret is a function of its inputs, and signing is deterministic. The stored Secret is therefore
//! compared with what would be rendered at the *stored* signing time. One comparison finds an edited
//! spec, a rotated key and a tampered value, and a restart does not trigger a renewal.

use jiff::Timestamp;

use super::reason::IssueReason;
use super::stored::{Content, Stored, UrlDigest};
use super::validity::plus;
use super::{Credentials, CredentialsExpired, Request, Validity};

/// A URL signed further in the future than this, in seconds, was signed with a wrong clock.
const MAX_CLOCK_SKEW: u32 = 300;

/// The inputs of a decision.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The current time.
    pub now: Timestamp,
    /// The parsed spec.
    pub request: &'a Request,
    /// The target Secret, which must be ours; `None` when it does not exist.
    pub stored: Option<&'a Stored>,
    /// The same Secret, rendered again at its own signing time; `None` when its URL cannot be read.
    pub rendered: Option<&'a Content>,
    /// The credentials; `None` when there are none to sign with.
    pub credentials: Option<&'a Credentials>,
    /// Hash of the UID of the object, which spreads renewals.
    pub seed: u32,
}

/// What to do about one object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Decision {
    /// Do nothing until a time.
    Keep {
        /// When the next URL is due.
        until: Timestamp,
    },
    /// Write the same URL again, because another field of the Secret differs.
    Repair,
    /// Sign and write a new URL.
    Issue {
        /// Why a new URL is issued.
        reason: IssueReason,
        /// When the new URL works.
        validity: Validity,
    },
    /// Nothing can be issued or repaired for now.
    Wait {
        /// What it waits for.
        obstacle: Obstacle,
    },
}

/// Why nothing can be issued.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Obstacle {
    /// The object is suspended by `spec.suspend`.
    Suspended,
    /// There are no credentials to sign with.
    NoCredentials,
    /// The credentials expire too soon to sign anything.
    CredentialsExpired(CredentialsExpired),
    /// A new URL would not live longer than the stored one, because the credentials limit both. The
    /// renewal waits until the credentials are renewed.
    AwaitingCredentials,
}

/// Decides what to do. The caller must have proven that the stored Secret is ours.
pub fn decide(case: &Case<'_>) -> Decision {
    if case.request.suspend {
        return wait(Obstacle::Suspended);
    }
    let Some(credentials) = case.credentials else {
        return wait(Obstacle::NoCredentials);
    };
    let reason = issue_reason(case);
    let decision = match (reason, case.stored.and_then(|stored| stored.content.url)) {
        (Some(reason), _) => issue(case, credentials, reason),
        (None, Some(url)) => {
            Decision::Keep { until: url.validity.renewal_time(case.request.overlap, case.seed) }
        }
        // This case cannot occur: without a readable URL there is a reason to issue.
        (None, None) => wait(Obstacle::NoCredentials),
    };
    let is_url_right = matches!(reason, None | Some(IssueReason::Requested | IssueReason::RenewalDue));
    // A renewal may have to wait for hours, which must not prevent a repair.
    if is_url_right && !matches!(decision, Decision::Issue { .. }) && is_frame_wrong(case) {
        Decision::Repair
    } else {
        decision
    }
}

fn wait(obstacle: Obstacle) -> Decision {
    Decision::Wait { obstacle }
}

/// Whether one of our fields other than the URL differs. A Secret in the format of another release
/// always differs, and is left as it is.
fn is_frame_wrong(case: &Case<'_>) -> bool {
    let frames = case.stored.filter(|stored| !stored.is_other_format).zip(case.rendered);
    frames.is_some_and(|(stored, rendered)| stored.content.frame != rendered.frame)
}

fn issue(case: &Case<'_>, credentials: &Credentials, reason: IssueReason) -> Decision {
    let expires_in = case.request.expires_in;
    let current = case.stored.and_then(|stored| stored.content.url).map(|url| url.validity.expiration_time());
    let is_routine = reason == IssueReason::RenewalDue;
    match Validity::new(case.now, expires_in, credentials.expiration) {
        // A renewal waits until the credentials are renewed, because the stored URL still works.
        Err(_) if is_routine => wait(Obstacle::AwaitingCredentials),
        Err(expired) => wait(Obstacle::CredentialsExpired(expired)),
        Ok(validity) => {
            // Any longer life counts. A URL that lives as long as its credentials cannot gain any, so an
            // expiring session is signed with once more, but not repeatedly.
            let gains = current.is_none_or(|current| validity.expiration_time() > current);
            if is_routine && !gains {
                wait(Obstacle::AwaitingCredentials)
            } else {
                Decision::Issue { reason, validity }
            }
        }
    }
}

/// The first reason to issue a new URL, if there is one.
#[must_use]
pub fn issue_reason(case: &Case<'_>) -> Option<IssueReason> {
    let Some(stored) = case.stored else {
        return Some(IssueReason::Missing);
    };
    let Some(url) = &stored.content.url else {
        return Some(IssueReason::Drifted);
    };
    let renewal_time = url.validity.renewal_time(case.request.overlap, case.seed);
    let is_asked =
        case.request.renew.is_some() && case.request.renew.as_deref() != stored.handled_renew.as_deref();
    if url.validity.expiration_time() <= case.now {
        Some(IssueReason::Expired)
    } else if let Some(reason) = difference(case, stored, url) {
        Some(reason)
    } else if url.validity.signing_time > plus(case.now, MAX_CLOCK_SKEW) {
        Some(IssueReason::Drifted)
    } else if is_asked {
        Some(IssueReason::Requested)
    } else if renewal_time <= case.now {
        Some(IssueReason::RenewalDue)
    } else {
        None
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
fn difference(case: &Case<'_>, stored: &Stored, url: &UrlDigest) -> Option<IssueReason> {
    let rendered = case.rendered?;
    let fresh = rendered.url?;
    let is_other_use = stored.content.usage.is_some_and(|usage| Some(usage) != rendered.usage);
    let reason = if url.address != fresh.address || (is_other_use && !stored.is_other_format) {
        IssueReason::SpecChanged
    } else if let Some(reason) = lifetime_difference(case, url, &fresh) {
        reason
    } else if case.credentials.is_some() && url.identity != fresh.identity {
        IssueReason::CredentialsChanged
    } else if case.credentials.is_some() && !stored.is_other_format && url.signature != fresh.signature {
        // The key id has another secret key now, or the signature is not ours.
        IssueReason::CredentialsChanged
    } else if url.text != fresh.text && !stored.is_other_format {
        // The parameters are equal but the text differs: another client edited it.
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
    let is_spec = stored > case.request.expires_in || (now > stored && url.identity == fresh.identity);
    let reason = if is_spec { IssueReason::SpecChanged } else { IssueReason::CredentialsChanged };
    (stored != now).then_some(reason)
}

/// The validity at which to render the stored Secret again for comparison.
#[must_use]
pub fn comparable_validity(
    stored: Validity,
    request: &Request,
    credentials: Option<&Credentials>,
) -> Validity {
    let limit = match credentials.map(|credentials| credentials.expiration) {
        // Without the credentials their expiration is unknown, so a shorter lifetime is no difference.
        None => stored.lifetime,
        Some(None) => u32::MAX,
        // If too little was left to sign at all, the lifetimes differ, as in any other case.
        Some(Some(expiration)) => {
            let left = expiration.as_second() - stored.signing_time.as_second();
            u32::try_from(left.max(1)).unwrap_or(u32::MAX)
        }
    };
    Validity { signing_time: stored.signing_time, lifetime: request.expires_in.min(limit) }
}

#[cfg(test)]
mod tests;
