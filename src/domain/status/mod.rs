//! What a `PresignedUrl` reports after a reconcile: one pure function of the status before, the
//! report and the time.

mod conditions;
mod rotation;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::pods::PodSight;
use super::reason::{Disposition, FailureReason};
use super::{Credentials, Request, Validity};
use crate::crd::{LimitedBy, PresignedUrlStatus};

pub use rotation::{CLOCK_SKEWED, NEVER_REFRESHED, Rotation};

/// The URL that is stored, as far as a report says anything of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    /// When it works.
    pub validity: Validity,
    /// When the next one is due.
    pub renewal_time: Timestamp,
    /// Whether it is what the spec asks for.
    pub matches: bool,
    /// Whether somebody else put it there, so that its times are nobody's to tell.
    pub is_planted: bool,
    /// The address of its object, without any query.
    pub location: Option<String>,
    /// The renewal token that it answers.
    pub handled_renew: Option<String>,
    /// What limits its lifetime.
    pub limited_by: LimitedBy,
    /// Whether a mounted Secret has time to arrive.
    pub rotation: Rotation,
}

impl Standing {
    /// Describes a stored URL.
    #[must_use]
    pub fn new(request: &Request, validity: Validity, credentials: Option<&Credentials>, seed: u32) -> Self {
        Self {
            validity,
            renewal_time: validity.renewal_time(request.overlap, seed),
            matches: true,
            is_planted: false,
            location: None,
            handled_renew: None,
            limited_by: validity.limited_by(request.expires_in),
            rotation: Rotation::of(request, validity, credentials),
        }
    }

    /// Whether the URL works at `now`.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.validity.expiration_time()
    }
}

/// What a reconcile knows of the target Secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seen {
    /// It could not be looked at.
    Unknown,
    /// There is no URL of ours in it.
    Nothing,
    /// It holds this URL.
    Url(Standing),
}

impl Seen {
    /// When the stored URL expires, if there is one.
    #[must_use]
    pub fn expiration(&self) -> Option<Timestamp> {
        match self {
            Self::Url(standing) => Some(standing.validity.expiration_time()),
            Self::Unknown | Self::Nothing => None,
        }
    }
}

/// How a reconcile went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Progress {
    /// The stored URL is the right one, perhaps just written.
    Settled,
    /// Nothing is issued while suspended.
    Suspended,
    /// A renewal waits for the credentials to be renewed themselves.
    AwaitingCredentials,
    /// A predecessor's Secret is about to be garbage-collected.
    AwaitingCollection,
    /// There is no new URL.
    Failed(Problem),
}

/// Why there is no new URL, for a person to read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The reason in one word.
    pub reason: FailureReason,
    /// What is wrong with which object, and what to do.
    pub message: String,
    /// What has to happen before it ends.
    pub disposition: Disposition,
}

impl Problem {
    /// A problem that ends as its reason says.
    #[must_use]
    pub fn new(reason: FailureReason, message: String) -> Self {
        Self { reason, message, disposition: reason.disposition() }
    }

    /// A problem that is tried again whatever its reason.
    #[must_use]
    pub fn retried(reason: FailureReason, message: String) -> Self {
        Self { reason, message, disposition: Disposition::Retry }
    }
}

/// What there is to report of one object.
#[derive(Clone, Debug)]
pub struct Report {
    /// Generation of the spec that was acted on.
    pub generation: Option<i64>,
    /// Name of the target Secret, when the spec could be read.
    pub secret_name: Option<String>,
    /// Name of the credentials Secret, when the spec could be read.
    pub credentials_name: Option<String>,
    /// What the target Secret holds.
    pub seen: Seen,
    /// How it went.
    pub progress: Progress,
    /// What the person who wrote the spec should know of it.
    pub hints: Vec<String>,
    /// What is known of the pods that use the target Secret.
    pub pods: PodSight,
    /// Whether the clock of the operator and that of the API server differ.
    pub is_clock_skewed: bool,
    /// Whether the token of the renew annotation is too long.
    pub is_renew_refused: bool,
}

/// The status after a reconcile. Equal to `previous` when nothing changed, transition times
/// included, so that an unchanged state writes nothing.
#[must_use]
pub fn next_status(previous: &PresignedUrlStatus, report: &Report, now: Timestamp) -> PresignedUrlStatus {
    let mut status = PresignedUrlStatus {
        observed_generation: report.generation,
        conditions: conditions::next(&previous.conditions, report, now),
        secret_name: report.secret_name.clone().or_else(|| previous.secret_name.clone()),
        ..PresignedUrlStatus::default()
    };
    match &report.seen {
        // The last that was seen is the best there is to say.
        Seen::Unknown => {
            status = PresignedUrlStatus {
                observed_generation: status.observed_generation,
                conditions: status.conditions,
                secret_name: status.secret_name,
                ..previous.clone()
            };
        }
        Seen::Nothing => {}
        Seen::Url(standing) if standing.is_planted => {}
        Seen::Url(standing) => {
            status.location.clone_from(&standing.location);
            status.signing_time = Some(Time(standing.validity.signing_time));
            status.expiration_time = Some(Time(standing.validity.expiration_time()));
            status.renewal_time = Some(Time(standing.renewal_time));
            status.limited_by = Some(standing.limited_by);
            status.last_handled_renew.clone_from(&standing.handled_renew);
        }
    }
    status
}

#[cfg(test)]
mod tests;
