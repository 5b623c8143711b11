//! What to do about one `PresignedUrl`.
//!
//! The Secret is a function of its inputs and signing is deterministic. So the stored
//! Secret is compared with what would be rendered at the *stored* signing time: an edited
//! spec, a rotated key, a tampered value and a manual request are one check, and a
//! restart does not trigger a renewal.

use jiff::Timestamp;

use super::reason::IssueReason;
use super::stored::{Content, Stored, UrlDigest};
use super::validity::plus;
use super::{Credentials, CredentialsExpired, Request, Validity};

/// A URL signed further in the future than this, in seconds, came from a wrong clock.
const MAX_CLOCK_SKEW: u32 = 300;

/// Everything that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The time.
    pub now: Timestamp,
    /// What is asked for.
    pub request: &'a Request,
    /// What the target Secret holds, which is ours; `None` when there is none.
    pub stored: Option<&'a Stored>,
    /// The same Secret as it would be rendered now at its own signing time; `None` when
    /// its URL cannot be read.
    pub rendered: Option<&'a Content>,
    /// The credentials; `None` when there are none to sign with.
    pub credentials: Option<&'a Credentials>,
    /// Hash of the object's UID, which spreads renewals.
    pub seed: u32,
}

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Decision {
    /// Nothing, until then.
    Keep {
        /// When the next URL is due.
        until: Timestamp,
    },
    /// Write the same URL again, because something beside it differs.
    Repair,
    /// Sign and write a new URL.
    Issue {
        /// Why.
        reason: IssueReason,
        /// When the new URL works.
        validity: Validity,
    },
    /// Nothing can be issued or repaired for now.
    Wait {
        /// What for.
        obstacle: Obstacle,
    },
}

/// What stands in the way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Obstacle {
    /// `spec.suspend`.
    Suspended,
    /// There are no credentials to sign with.
    NoCredentials,
    /// The credentials expire too soon to sign anything.
    CredentialsExpired(CredentialsExpired),
    /// A new URL would not live longer than the stored one: the credentials are the
    /// limit, and a renewal waits for them.
    AwaitingCredentials,
}

/// Decides. The stored Secret must be proven ours before.
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
        // Without a readable URL there was a reason to issue.
        (None, None) => wait(Obstacle::NoCredentials),
    };
    let is_url_right = matches!(reason, None | Some(IssueReason::Requested | IssueReason::RenewalDue));
    // A renewal that has to wait, for hours perhaps, keeps nothing from being repaired.
    if is_url_right && !matches!(decision, Decision::Issue { .. }) && is_frame_wrong(case) {
        Decision::Repair
    } else {
        decision
    }
}

fn wait(obstacle: Obstacle) -> Decision {
    Decision::Wait { obstacle }
}

/// Whether something of ours beside the URL differs. Another format differs by nature.
fn is_frame_wrong(case: &Case<'_>) -> bool {
    let frames = case.stored.filter(|stored| !stored.is_other_format).zip(case.rendered);
    frames.is_some_and(|(stored, rendered)| stored.content.frame != rendered.frame)
}

fn issue(case: &Case<'_>, credentials: &Credentials, reason: IssueReason) -> Decision {
    let expires_in = case.request.expires_in;
    let current = case.stored.and_then(|stored| stored.content.url).map(|url| url.validity.expiration_time());
    let is_routine = reason == IssueReason::RenewalDue;
    match Validity::new(case.now, expires_in, credentials.expiration) {
        // A renewal that has time left waits for the credentials to be renewed themselves.
        Err(_) if is_routine => wait(Obstacle::AwaitingCredentials),
        Err(expired) => wait(Obstacle::CredentialsExpired(expired)),
        Ok(validity) => {
            // Any gain counts: once the URL lives as long as its credentials there is none left,
            // so that an expiring session is signed once more, and then not again and again.
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

/// Whether somebody else put the stored URL there: by the record of writes it is not ours, and it is
/// not what we would sign.
#[must_use]
pub fn is_planted(case: &Case<'_>, stored: &Stored, url: &UrlDigest) -> bool {
    !stored.is_url_ours && difference(case, stored, url).is_some()
}

/// Why the stored URL is not the one that would be signed at its signing time.
///
/// A URL that somebody put in the place of ours tells nothing about spec or credentials:
/// any difference is `Drifted` then.
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
        // The same key id with another secret; or a signature that is not ours.
        IssueReason::CredentialsChanged
    } else if url.text != fresh.text && !stored.is_other_format {
        // The same parameters in other words: somebody edited the text.
        IssueReason::Drifted
    } else {
        return None;
    };
    Some(if stored.is_url_ours { reason } else { IssueReason::Drifted })
}

/// Whether the spec or the credentials' expiration would now give another lifetime.
///
/// A longer one may come from either. A session of the same identity lives no longer than
/// it did, so more is asked for; with another one, its expiration is the likelier cause.
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
        // Without knowing the credentials' expiration, a shorter life is no difference.
        None => stored.lifetime,
        Some(None) => u32::MAX,
        // Too little to have been signed for is a difference like any other.
        Some(Some(expiration)) => {
            let left = expiration.as_second() - stored.signing_time.as_second();
            u32::try_from(left.max(1)).unwrap_or(u32::MAX)
        }
    };
    Validity { signing_time: stored.signing_time, lifetime: request.expires_in.min(limit) }
}

#[cfg(test)]
mod tests;
