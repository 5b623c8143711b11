//! What to do about one `PresignedUrl`: the heart, and pure.
//!
//! The Secret is a function of its inputs and signing is deterministic. So the stored
//! Secret is compared with what would be rendered at the *stored* signing time: an edited
//! spec, a rotated key, a tampered value and a manual request are one check, and a
//! restart is no reason for anything.

use jiff::Timestamp;

use super::reason::IssueReason;
use super::stored::{Content, Stored, UrlDigest};
use super::validity::plus;
use super::{Credentials, CredentialsExpired, Request, Validity};

/// A URL signed further in the future than this, in seconds, came from a wrong clock.
const MAX_CLOCK_SKEW: u32 = 300;
/// A renewal must move the expiry by this or by a sixth of the lifetime, in seconds.
const MIN_GAIN: u32 = 60;

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
    if let Some(reason) = reason {
        return issue(case, credentials, reason);
    }
    match (case.stored, case.rendered) {
        (Some(stored), Some(rendered))
            if !stored.is_other_format && stored.content.frame != rendered.frame =>
        {
            Decision::Repair
        }
        (Some(Stored { content: Content { url: Some(url), .. }, .. }), _) => {
            Decision::Keep { until: url.validity.renewal_time(case.request.overlap, case.seed) }
        }
        // Without a readable URL there was a reason to issue.
        _ => wait(Obstacle::NoCredentials),
    }
}

fn wait(obstacle: Obstacle) -> Decision {
    Decision::Wait { obstacle }
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
            let needed = current.map(|current| plus(current, MIN_GAIN.min(expires_in / 6)));
            let gains = needed.is_none_or(|needed| validity.expiration_time() >= needed);
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

/// Why the stored URL is not the one that would be signed at its signing time.
///
/// A URL that somebody put in the place of ours tells nothing about spec or credentials:
/// any difference is `Drifted` then.
fn difference(case: &Case<'_>, stored: &Stored, url: &UrlDigest) -> Option<IssueReason> {
    let fresh = case.rendered?.url?;
    let reason = if url.address != fresh.address {
        IssueReason::SpecChanged
    } else if let Some(reason) = lifetime_difference(case, url.validity.lifetime, fresh.validity.lifetime) {
        reason
    } else if case.credentials.is_some() && url.identity != fresh.identity {
        IssueReason::CredentialsChanged
    } else if case.credentials.is_some() && !stored.is_other_format && url.signature != fresh.signature {
        // The same key id with another secret; or a signature that is not ours.
        IssueReason::CredentialsChanged
    } else {
        return None;
    };
    Some(if stored.is_url_ours { reason } else { IssueReason::Drifted })
}

/// Whether the spec or the credentials' expiration would now give another lifetime.
fn lifetime_difference(case: &Case<'_>, stored: u32, fresh: u32) -> Option<IssueReason> {
    if stored == fresh {
        return None;
    }
    let is_limited = case.credentials.is_some_and(|credentials| credentials.expiration.is_some());
    let exceeds = stored > case.request.expires_in;
    Some(if is_limited && !exceeds { IssueReason::CredentialsChanged } else { IssueReason::SpecChanged })
}

/// The validity at which to render the stored Secret again for comparison.
#[must_use]
pub fn comparable_validity(
    stored: Validity,
    request: &Request,
    credentials: Option<&Credentials>,
) -> Validity {
    let known = credentials.map(|credentials| {
        Validity::new(stored.signing_time, request.expires_in, credentials.expiration).ok()
    });
    // Without knowing the credentials' expiration, a shorter life is no difference.
    known.flatten().unwrap_or(Validity {
        lifetime: stored.lifetime.min(request.expires_in),
        signing_time: stored.signing_time,
    })
}
