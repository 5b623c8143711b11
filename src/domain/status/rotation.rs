//! The condition RotationSafe: whether each new URL reaches the pods in time.
//!
//! Causes that affect every pod (credentials, clocks, overlap) come before those that affect one.
#![allow(clippy::doc_markdown, reason = "RotationSafe is the name of a condition")]

use super::conditions::{ConditionState, FALSE, TRUE, awaiting, credentials};
use super::{Progress, Report, ReportedUrl};
use crate::crd::{LimitedBy, ROTATION_SAFE, duration};
use crate::domain::advice::Advice;
use crate::domain::pods::{NoAnnotation, StaleUser, StaleUsers};
use crate::domain::{Credentials, Request, Validity};

/// The reason while a pod uses the Secret in a way that Kubernetes never updates.
pub const NEVER_REFRESHED: &str = "NeverRefreshed";

/// The reason while the clocks of the operator and of the API server differ.
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

/// Whether a mounted Secret reaches all pods before the old URL expires.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rotation {
    /// The overlap is long enough.
    Safe {
        /// Seconds between renewal and expiry.
        overlap: u32,
        /// Whether the requested overlap did not fit, and was cut to five sixths of the lifetime.
        is_cut: bool,
    },
    /// The overlap is too short.
    TooShort {
        /// Seconds between renewal and expiry.
        overlap: u32,
        /// Whether the requested overlap did not fit, and was cut to five sixths of the lifetime.
        is_cut: bool,
        /// What to change so that the overlap becomes safe.
        advice: Advice,
    },
    /// The credentials have a session token but no expiration, so the URL may expire earlier.
    ExpiryUnknown,
}

impl Rotation {
    /// The rotation of a URL with this validity.
    pub(super) fn of(
        request: &Request,
        validity: Validity,
        credentials: Option<&Credentials>,
        limited_by: LimitedBy,
    ) -> Self {
        let (overlap, is_cut) = validity.overlap(request.overlap);
        let dies_unseen = |c: &Credentials| c.session_token.is_some() && c.expiration.is_none();
        if credentials.is_some_and(dies_unseen) {
            Self::ExpiryUnknown
        } else if validity.is_overlap_safe(request.overlap) {
            Self::Safe { overlap, is_cut }
        } else {
            Self::TooShort { overlap, is_cut, advice: Advice::of(request, validity, limited_by) }
        }
    }
}

/// The condition. `before` is the message of the previous one, if its reason was NeverRefreshed.
pub(super) fn verdict(reported: &ReportedUrl, report: &Report, before: Option<&str>) -> ConditionState {
    let (status, reason, message) = judge(reported, report, before);
    let message = match report.pods.no_annotation.map(no_annotation) {
        // A message that was kept from before may end with it already.
        Some(why) if !message.ends_with(&why) => format!("{message}; {why}"),
        _ => message,
    };
    ConditionState { kind: ROTATION_SAFE, status, reason, message }
}

fn judge(
    reported: &ReportedUrl,
    report: &Report,
    before: Option<&str>,
) -> (&'static str, &'static str, String) {
    if report.progress == Progress::AwaitingCredentials {
        return (FALSE, "AwaitingCredentials", awaiting(report, reported));
    }
    if report.is_clock_skewed {
        let message = "the clocks of the operator and of the API server differ by more than 30s, so a URL may become valid or expire earlier or later than stated: synchronize both clocks (metric presign_clock_skew_seconds)";
        return (FALSE, CLOCK_SKEWED, message.to_owned());
    }
    let (overlap, is_cut) = match reported.rotation {
        Rotation::ExpiryUnknown => {
            let message = format!(
                "the credentials {} have a session token without its expiration, so the URL may expire earlier than stated: add the expiration",
                credentials(report)
            );
            return (FALSE, "CredentialExpiryUnknown", message);
        }
        Rotation::TooShort { overlap, is_cut, advice } => {
            let message = format!(
                "a new URL is written only {} before the old one expires{}, and the kubelet updates a mounted Secret up to 2m later: {}",
                duration::print(overlap),
                cut(is_cut),
                advice.text(credentials(report))
            );
            return (FALSE, "OverlapTooShort", message);
        }
        Rotation::Safe { overlap, is_cut } => (duration::print(overlap), cut(is_cut)),
    };
    match (&report.pods.stale, before) {
        (StaleUsers::By(stale, others), _) => {
            (FALSE, NEVER_REFRESHED, never_refreshed(report, stale, *others))
        }
        (StaleUsers::Unchanged, Some(before)) => (FALSE, NEVER_REFRESHED, before.to_owned()),
        (StaleUsers::Unchanged | StaleUsers::Clear, _) => {
            let when = format!("{overlap} before the old one expires{is_cut}");
            let message = if matches!(report.progress, Progress::Failed(_)) {
                format!("new URLs are written {when}, but no new URL can be written now: see Ready")
            } else {
                format!("a new URL is written {when}")
            };
            (TRUE, "OverlapSufficient", message)
        }
    }
}

fn never_refreshed(report: &Report, stale: &StaleUser, others: usize) -> String {
    let StaleUser { user, container, how } = stale;
    let others = if others == 0 { String::new() } else { format!(" (and {others} more)") };
    format!(
        "{user}{others} uses Secret {:?} by {} of container {container:?}, which is never updated in a running pod: mount the whole Secret as a volume and read the file for each request, or restart the pods after each change",
        report.secret_name.as_deref().unwrap_or_default(),
        how.text(),
    )
}

fn no_annotation(why: NoAnnotation) -> String {
    let why = match why {
        NoAnnotation::NotGranted => "the operator runs without --pods".to_owned(),
        NoAnnotation::Forbidden(verb) => format!("the API server forbids the operator to {verb} pods"),
    };
    format!("spec.podRefresh: Annotate has no effect, because {why}: set the chart value pods.enabled")
}

fn cut(is_cut: bool) -> &'static str {
    if is_cut {
        " (spec.renewBefore asks for more than five sixths of the lifetime: five sixths are used)"
    } else {
        ""
    }
}
