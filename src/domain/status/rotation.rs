//! Whether rotation reaches the pods: what the condition RotationSafe says.
//!
//! First what touches every pod (the credentials, the overlap), then what touches one.
#![allow(clippy::doc_markdown, reason = "RotationSafe is the name of a condition")]

use super::conditions::{FALSE, TRUE, Verdict, awaiting, credentials};
use super::{Progress, Report, Standing};
use crate::crd::{ROTATION_SAFE, duration};
use crate::domain::advice::Advice;
use crate::domain::pods::{Frozen, FrozenSight, NoPokes};
use crate::domain::{Credentials, Request, Validity};

/// Reason while a pod uses the Secret in a way that never refreshes.
pub const NEVER_REFRESHED: &str = "NeverRefreshed";

/// Reason while the clocks of the operator and of the API server differ.
pub const CLOCK_SKEWED: &str = "ClockSkewed";

/// Every reason that the condition can have.
pub(super) const REASONS: [&str; 6] = [
    CLOCK_SKEWED,
    "OverlapSufficient",
    "OverlapTooShort",
    "AwaitingCredentials",
    "CredentialExpiryUnknown",
    NEVER_REFRESHED,
];

/// Whether a mounted Secret has time to arrive before the old URL expires.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rotation {
    /// It has.
    Safe {
        /// Seconds between renewal and expiry.
        overlap: u32,
        /// What the spec asks for did not fit, and was cut to five sixths of the lifetime.
        is_cut: bool,
    },
    /// It may not.
    TooShort {
        /// Seconds between renewal and expiry.
        overlap: u32,
        /// What the spec asks for did not fit, and was cut to five sixths of the lifetime.
        is_cut: bool,
        /// What to change.
        advice: Advice,
    },
    /// A session token without an expiration: nobody knows when the URL dies.
    ExpiryUnknown,
}

impl Rotation {
    /// How a URL of this validity rotates.
    pub(super) fn of(request: &Request, validity: Validity, credentials: Option<&Credentials>) -> Self {
        let (overlap, is_cut) = validity.overlap(request.overlap);
        let dies_unseen = |c: &Credentials| c.session_token.is_some() && c.expiration.is_none();
        if credentials.is_some_and(dies_unseen) {
            Self::ExpiryUnknown
        } else if validity.is_overlap_safe(request.overlap) {
            Self::Safe { overlap, is_cut }
        } else {
            Self::TooShort { overlap, is_cut, advice: Advice::of(request, validity) }
        }
    }
}

/// The condition; `before` is the message of an earlier one with reason NeverRefreshed.
pub(super) fn verdict(standing: &Standing, report: &Report, before: Option<&str>) -> Verdict {
    let (status, reason, message) = judge(standing, report, before);
    let message = match report.pods.no_pokes.map(no_pokes) {
        // What is left as it was may say so already.
        Some(why) if !message.ends_with(&why) => format!("{message}; {why}"),
        _ => message,
    };
    Verdict { kind: ROTATION_SAFE, status, reason, message }
}

fn judge(standing: &Standing, report: &Report, before: Option<&str>) -> (&'static str, &'static str, String) {
    if report.progress == Progress::AwaitingCredentials {
        return (FALSE, "AwaitingCredentials", awaiting(report, standing));
    }
    if report.is_clock_skewed {
        let message = "the clocks of the operator and of the API server differ by more than 30s, so a URL may begin or end at another time than it says: synchronize both (metric presign_clock_skew_seconds)";
        return (FALSE, CLOCK_SKEWED, message.to_owned());
    }
    let (overlap, is_cut) = match standing.rotation {
        Rotation::ExpiryUnknown => {
            let message = format!(
                "Secret {:?} holds a session token without its expiration, so the URL may die earlier than it says: add the expiration",
                credentials(report)
            );
            return (FALSE, "CredentialExpiryUnknown", message);
        }
        Rotation::TooShort { overlap, is_cut, advice } => {
            let message = format!(
                "a new URL is written only {} before the old one expires{}, and a mounted Secret can lag by 2m: {}",
                duration::print(overlap),
                cut(is_cut),
                advice.text(credentials(report))
            );
            return (FALSE, "OverlapTooShort", message);
        }
        Rotation::Safe { overlap, is_cut } => (duration::print(overlap), cut(is_cut)),
    };
    match (&report.pods.frozen, before) {
        (FrozenSight::By(frozen, others), _) => {
            (FALSE, NEVER_REFRESHED, never_refreshed(report, frozen, *others))
        }
        (FrozenSight::Unchanged, Some(before)) => (FALSE, NEVER_REFRESHED, before.to_owned()),
        (FrozenSight::Unchanged | FrozenSight::Clear, _) => {
            let message = format!("a new URL is written {overlap} before the old one expires{is_cut}");
            (TRUE, "OverlapSufficient", message)
        }
    }
}

fn never_refreshed(report: &Report, frozen: &Frozen, others: usize) -> String {
    let Frozen { user, container, how } = frozen;
    let others = if others == 0 { String::new() } else { format!(" (and {others} more)") };
    format!(
        "{user}{others} uses Secret {:?} by {} of container {container:?}, which a running pod never sees change: mount the whole Secret as a volume and read the file for each request, or restart the pods on change",
        report.secret_name.as_deref().unwrap_or_default(),
        how.text(),
    )
}

fn no_pokes(why: NoPokes) -> String {
    let why = match why {
        NoPokes::NotGranted => "the operator runs without --pods".to_owned(),
        NoPokes::Forbidden(verb) => format!("the API server forbids the operator to {verb} pods"),
    };
    format!("spec.propagation.pokePods does nothing here: {why} (chart value pods.enabled)")
}

fn cut(is_cut: bool) -> &'static str {
    if is_cut {
        " (spec.renewal asks for more than five sixths of the lifetime: five sixths are used)"
    } else {
        ""
    }
}
