//! The decision what to do about one `PresignedUrl`.
//!
//! The Secret is a function of its inputs, and signing is deterministic. The stored Secret is therefore
//! compared with what would be rendered at the *stored* signing time. One comparison finds an edited
//! spec, a rotated key and a tampered value, and a restart does not trigger a renewal.

mod comparable;
mod difference;

use jiff::Timestamp;

pub use self::comparable::comparable_validity;
use self::difference::difference;
pub use self::difference::is_planted;
use super::ended::{EndReason, Ended};
use super::reason::IssueReason;
use super::stored::{Content, Stored, UrlDigest};
use super::validity::plus;
use super::{Credentials, CredentialsExpired, Request, Validity};

/// A URL signed further in the future than this, in seconds, was signed with a wrong clock.
pub(super) const MAX_CLOCK_SKEW: u32 = 300;

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
    /// The credentials, or the session; `None` when there are none to sign with.
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
    /// Empty the URL, because it has expired and is signed only once.
    End,
    /// Nothing can be issued or repaired for now.
    Wait {
        /// What it waits for.
        reason: WaitReason,
    },
}

/// Why nothing can be issued.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WaitReason {
    /// The object is suspended by `spec.suspend`.
    Suspended,
    /// There are no credentials to sign with.
    NoCredentials,
    /// The credentials expire too soon to sign anything.
    CredentialsExpired(CredentialsExpired),
    /// The URL ended, and no other one is signed.
    Ended(EndReason),
    /// The credentials changed, and the URL is signed only once.
    CredentialsChanged,
    /// A new URL would not live longer than the stored one, because the credentials limit both. The
    /// renewal waits until the credentials are renewed.
    AwaitingCredentials,
}

/// Decides what to do. The caller must have proven that the stored Secret is ours.
pub fn decide(case: &Case<'_>) -> Decision {
    if case.request.suspend {
        return wait(WaitReason::Suspended);
    }
    let decision = decide_without_end(case);
    let url = case.stored.and_then(|stored| stored.content.url);
    let is_over = url.is_some_and(|url| url.validity.expiration_time() <= case.now);
    match decision {
        // An end waits for nothing, not even for credentials.
        Decision::Wait { .. } | Decision::Keep { .. } | Decision::Repair
            if is_over && case.request.is_signed_once =>
        {
            Decision::End
        }
        decision => decision,
    }
}

/// The decision without regard to the end of a URL that is signed only once.
fn decide_without_end(case: &Case<'_>) -> Decision {
    match judge(case) {
        Judgement::Issue(reason) => issue_or_repair(case, reason),
        Judgement::Ended(why) => wait(WaitReason::Ended(why)),
        // A URL that a session signed stays, although that session may be gone.
        Judgement::Keep { .. } if case.credentials.is_none() && !case.has_session() => {
            wait(WaitReason::NoCredentials)
        }
        Judgement::Keep { difference: Some(IssueReason::CredentialsChanged), .. } => {
            wait(WaitReason::CredentialsChanged)
        }
        Judgement::Keep { difference: None, .. } if is_other_field_wrong(case) => Decision::Repair,
        Judgement::Keep { url, .. } if case.request.is_signed_once => {
            Decision::Keep { until: url.validity.expiration_time() }
        }
        Judgement::Keep { url, .. } => {
            Decision::Keep { until: url.validity.renewal_time(case.request.overlap, case.seed) }
        }
    }
}

/// Issues a new URL. If that has to wait, which may take hours, and the stored URL is right, repairs the other fields
/// instead.
fn issue_or_repair(case: &Case<'_>, reason: IssueReason) -> Decision {
    let Some(credentials) = case.credentials else { return wait(WaitReason::NoCredentials) };
    let is_right = || {
        let is_same = |(stored, url)| difference(case, stored, &url).is_none();
        case.stored.and_then(|stored| Some((stored, stored.content.url?))).is_some_and(is_same)
    };
    match issue(case, credentials, reason) {
        Decision::Wait { .. }
            if matches!(reason, IssueReason::Requested | IssueReason::RenewalDue)
                && is_other_field_wrong(case)
                && is_right() =>
        {
            Decision::Repair
        }
        decision => decision,
    }
}

fn wait(reason: WaitReason) -> Decision {
    Decision::Wait { reason }
}

/// Whether one of our fields other than the URL differs. A Secret in the format of another release
/// always differs, and is left as it is.
fn is_other_field_wrong(case: &Case<'_>) -> bool {
    let frames = case.stored.filter(|stored| !stored.is_other_format).zip(case.rendered);
    frames.is_some_and(|(stored, rendered)| stored.content.other_fields != rendered.other_fields)
}

fn issue(case: &Case<'_>, credentials: &Credentials, reason: IssueReason) -> Decision {
    let lifetime = case.request.lifetime();
    let current = case.stored.and_then(|stored| stored.content.url).map(|url| url.validity.expiration_time());
    let is_routine = reason == IssueReason::RenewalDue;
    match Validity::new(case.now, lifetime, credentials.expiration) {
        // A renewal waits until the credentials are renewed, because the stored URL still works.
        Err(_) if is_routine => wait(WaitReason::AwaitingCredentials),
        Err(expired) => wait(WaitReason::CredentialsExpired(expired)),
        Ok(validity) => {
            // Any longer life counts. A URL that lives as long as its credentials cannot gain any, so an
            // expiring session is signed with once more, but not repeatedly.
            let gains = current.is_none_or(|current| validity.expiration_time() > current);
            // The policy of a signer may have made the lifetime shorter, which is no reason to wait.
            let is_limited = validity.lifetime < lifetime;
            if is_routine && is_limited && !gains {
                wait(WaitReason::AwaitingCredentials)
            } else {
                Decision::Issue { reason, validity }
            }
        }
    }
}

/// The first reason to issue a new URL, if there is one.
#[must_use]
pub fn issue_reason(case: &Case<'_>) -> Option<IssueReason> {
    match judge(case) {
        Judgement::Issue(reason) => Some(reason),
        Judgement::Ended(_) | Judgement::Keep { .. } => None,
    }
}

/// What the stored Secret calls for, before it is asked whether there are credentials to sign with.
enum Judgement<'a> {
    /// A new URL.
    Issue(IssueReason),
    /// The URL ended, and no other one is signed.
    Ended(EndReason),
    /// The stored URL stays.
    Keep {
        url: &'a UrlDigest,
        /// How it differs from one that would be signed now, which is no reason to issue another one.
        difference: Option<IssueReason>,
    },
}

fn judge<'a>(case: &Case<'a>) -> Judgement<'a> {
    let Some(stored) = case.stored else { return Judgement::Issue(IssueReason::Missing) };
    let is_asked =
        case.request.renew.is_some() && case.request.renew.as_deref() != stored.handled_renew.as_deref();
    if let Some(ended) = &stored.ended {
        let reason = reason_after_end(case.request, ended, is_asked);
        return reason.map_or(Judgement::Ended(ended.why), Judgement::Issue);
    }
    let Some(url) = &stored.content.url else { return Judgement::Issue(IssueReason::Drifted) };
    let difference = difference(case, stored, url);
    let reason = if case.request.is_signed_once {
        reason_to_sign_again(case, (stored, url), difference, is_asked)
    } else {
        reason_to_renew(case, url, difference, is_asked)
    };
    reason.map_or(Judgement::Keep { url, difference }, Judgement::Issue)
}

/// The reason to renew a URL.
fn reason_to_renew(
    case: &Case<'_>,
    url: &UrlDigest,
    difference: Option<IssueReason>,
    is_asked: bool,
) -> Option<IssueReason> {
    if url.validity.expiration_time() <= case.now {
        Some(IssueReason::Expired)
    } else if difference.is_some() {
        difference
    } else if url.validity.signing_time > plus(case.now, MAX_CLOCK_SKEW) {
        Some(IssueReason::Drifted)
    } else if is_asked {
        Some(IssueReason::Requested)
    } else {
        let is_due = url.validity.renewal_time(case.request.overlap, case.seed) <= case.now;
        is_due.then_some(IssueReason::RenewalDue)
    }
}

/// The reason to sign a URL that ended again.
fn reason_after_end(request: &Request, ended: &Ended, is_asked: bool) -> Option<IssueReason> {
    if !request.is_signed_once {
        Some(IssueReason::Expired)
    } else if ended.request != Some(request.digest()) {
        Some(IssueReason::SpecChanged)
    } else {
        is_asked.then_some(IssueReason::Requested)
    }
}

/// The reason to sign a URL again that is signed only once. Time and other credentials are none.
fn reason_to_sign_again(
    case: &Case<'_>,
    (stored, url): (&Stored, &UrlDigest),
    difference: Option<IssueReason>,
    is_asked: bool,
) -> Option<IssueReason> {
    let has_same_key =
        case.rendered.and_then(|fresh| fresh.url).is_some_and(|fresh| fresh.identity == url.identity);
    let is_other_lifetime = stored.requested.is_some_and(|requested| requested != case.request.expires_in);
    match difference {
        _ if is_other_lifetime => Some(IssueReason::SpecChanged),
        Some(reason @ (IssueReason::SpecChanged | IssueReason::Drifted)) => Some(reason),
        // Another client changed the keys that tell what the URL was signed for, so that may differ too.
        Some(IssueReason::CredentialsChanged) if stored.content.usage.is_none() && has_same_key => {
            Some(IssueReason::Drifted)
        }
        _ if url.validity.signing_time > plus(case.now, MAX_CLOCK_SKEW) => Some(IssueReason::Drifted),
        _ => is_asked.then_some(IssueReason::Requested),
    }
}

#[cfg(test)]
mod tests;
