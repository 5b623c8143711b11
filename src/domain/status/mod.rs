//! The status of a `PresignedUrl` after a reconcile, as a pure function of the previous status, the
//! report and the time.

mod conditions;
mod rotation;
mod verified;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::ended::EndReason;
use super::pods::PodUses;
use super::reason::{Disposition, FailureReason};
use super::resolve::Permission;
use super::stored::UrlDigest;
use super::verification::VerifyNews;
use super::{Credentials, Request, Validity};
use crate::crd::{LimitedBy, PresignedUrlStatus};

pub use conditions::{ALLOWED, EXPIRED};
pub use rotation::{CLOCK_SKEWED, NEVER_REFRESHED, Rotation};
pub use verified::{NOT_ASKED, has_answer};

/// The stored URL as a report describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReportedUrl {
    /// When the URL works.
    pub validity: Validity,
    /// When the next URL is due; `None` if the URL is signed only once.
    pub renewal_time: Option<Timestamp>,
    /// Whether the URL is the one that the spec asks for.
    pub matches: bool,
    /// Whether another client wrote the URL, so that the status does not show its times.
    pub is_planted: bool,
    /// The address of the object in the store, without the query.
    pub location: Option<String>,
    /// The URL as digests; `None` when it is not known in this form.
    pub digest: Option<Box<UrlDigest>>,
    /// The renewal token that the URL was issued for.
    pub handled_renew: Option<String>,
    /// What limits the lifetime of the URL.
    pub limited_by: LimitedBy,
    /// Whether a mounted Secret reaches all pods before the old URL expires.
    pub rotation: Rotation,
}

impl ReportedUrl {
    /// Describes a stored URL.
    #[must_use]
    pub fn new(request: &Request, validity: Validity, credentials: Option<&Credentials>, seed: u32) -> Self {
        let limited_by = validity.limited_by(request, credentials.and_then(|c| c.expiration));
        let renewal_time = validity.renewal_time(request.overlap, seed);
        Self {
            validity,
            renewal_time: (!request.is_signed_once).then_some(renewal_time),
            matches: true,
            is_planted: false,
            location: None,
            digest: None,
            handled_renew: None,
            limited_by,
            rotation: Rotation::of(request, validity, credentials, limited_by),
        }
    }

    /// Whether the URL works at `now`.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.validity.expiration_time()
    }
}

/// What a reconcile knows about the URL in the target Secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seen {
    /// The target Secret could not be read.
    Unknown,
    /// The target Secret holds no URL for this object.
    Nothing,
    /// The target Secret holds this URL.
    Url(ReportedUrl),
}

impl Seen {
    /// When the stored URL expires, if there is one.
    #[must_use]
    pub fn expiration(&self) -> Option<Timestamp> {
        match self {
            Self::Url(reported) => Some(reported.validity.expiration_time()),
            Self::Unknown | Self::Nothing => None,
        }
    }
}

/// The progress that a reconcile made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Progress {
    /// The stored URL is up to date. It may have been written by this reconcile.
    UpToDate,
    /// The object is suspended, so nothing is issued.
    Suspended,
    /// A renewal waits until the credentials are renewed.
    AwaitingCredentials,
    /// The Secret of a deleted object of the same name still has to be garbage-collected.
    AwaitingCollection,
    /// The URL ended, and no other one is signed.
    Ended {
        /// Why the URL ended.
        why: EndReason,
        /// When the object is deleted; `None` for never.
        deleted_at: Option<Timestamp>,
    },
    /// A new URL is needed and could not be issued.
    Failed(Problem),
}

/// Why no new URL was issued, as text for users.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The reason of the conditions.
    pub reason: FailureReason,
    /// What is wrong with which object, and what the user has to do.
    pub message: String,
    /// What has to happen before the problem ends.
    pub disposition: Disposition,
}

impl Problem {
    /// A problem with the disposition of its reason.
    #[must_use]
    pub fn new(reason: FailureReason, message: String) -> Self {
        Self { reason, message, disposition: reason.disposition() }
    }

    /// A problem that is tried again, whichever disposition its reason has.
    #[must_use]
    pub fn retried(reason: FailureReason, message: String) -> Self {
        Self { reason, message, disposition: Disposition::Retry }
    }
}

/// What a reconcile reports about one object.
#[derive(Clone, Debug)]
pub struct Report {
    /// Generation of the reconciled spec.
    pub generation: Option<i64>,
    /// Name of the target Secret, if the spec is valid.
    pub secret_name: Option<String>,
    /// Where the credentials are, as messages say it, if the spec is valid.
    pub credentials_place: Option<String>,
    /// Whether the operator renews the credentials itself.
    pub has_session: bool,
    /// What the signer says, if the spec is valid.
    pub permission: Permission,
    /// The URL in the target Secret.
    pub seen: Seen,
    /// The progress that the reconcile made.
    pub progress: Progress,
    /// Hints for the user who wrote the spec.
    pub hints: Vec<String>,
    /// What is known about the pods that use the target Secret.
    pub pods: PodUses,
    /// What is known about the verification of the stored URL.
    pub verification: VerifyNews,
    /// Whether the clock of the operator and that of the API server differ.
    pub is_clock_skewed: bool,
    /// Whether the token of the renew annotation is too long.
    pub is_renew_refused: bool,
}

/// The status after a reconcile. It equals `previous`, including the transition times, when nothing
/// changed, so that nothing is written.
#[must_use]
pub fn next_status(previous: &PresignedUrlStatus, report: &Report, now: Timestamp) -> PresignedUrlStatus {
    let (condition, verified) = verified::verified(previous, report);
    let mut status = PresignedUrlStatus {
        observed_generation: report.generation,
        conditions: conditions::next(&previous.conditions, report, condition, now),
        verified,
        secret_name: report.secret_name.clone().or_else(|| previous.secret_name.clone()),
        ..PresignedUrlStatus::default()
    };
    match &report.seen {
        // The last status is the best that is known, so its fields stay.
        Seen::Unknown => {
            status = PresignedUrlStatus {
                observed_generation: status.observed_generation,
                conditions: status.conditions,
                secret_name: status.secret_name,
                verified: status.verified,
                ..previous.clone()
            };
        }
        Seen::Nothing => {}
        Seen::Url(reported) if reported.is_planted => {}
        Seen::Url(reported) => {
            status.location.clone_from(&reported.location);
            status.signing_time = Some(Time(reported.validity.signing_time));
            status.expiration_time = Some(Time(reported.validity.expiration_time()));
            status.renewal_time = reported.renewal_time.map(Time);
            status.limited_by = Some(reported.limited_by);
            status.last_handled_renew.clone_from(&reported.handled_renew);
        }
    }
    status
}

#[cfg(test)]
mod tests;
