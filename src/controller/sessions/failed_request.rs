//! The outcome of a request for a session: a failure with its backoff, or a session that lasts long enough.

use jiff::{SignedDuration, Timestamp};

use super::SessionFailure;
use crate::sts::Session;

/// The longest time after a failure before the same session is requested again, in seconds.
const MAX_BACKOFF: u32 = 60;
/// The shortest session that is used, in seconds.
const LEAST_SESSION: i64 = 15;

/// Why no session was got, and until when it is not tried again.
#[derive(Clone)]
pub(super) struct FailedRequest {
    pub(super) failure: SessionFailure,
    pub(super) count: u32,
    pub(super) since: Timestamp,
    until: Timestamp,
    /// Whether it was met in an earlier term: then it is not reported, and its backoff is over.
    pub(super) is_of_earlier_term: bool,
}

impl FailedRequest {
    pub(super) fn new(failure: SessionFailure, count: u32, now: Timestamp) -> Self {
        let seconds = 1u32.checked_shl(count).unwrap_or(MAX_BACKOFF).min(MAX_BACKOFF);
        let until = now.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(now);
        Self { failure, count, since: now, until, is_of_earlier_term: false }
    }

    /// Whether the backoff ended at most so many seconds ago.
    pub(super) fn is_known(&self, seconds: i64, now: Timestamp) -> bool {
        self.since <= now && now.duration_since(self.until).as_secs() < seconds
    }

    /// Whether it is too early to try again. A failure in the future was noted before the clock was set back.
    pub(super) fn is_on(&self, now: Timestamp) -> bool {
        !self.is_of_earlier_term && self.since <= now && now < self.until
    }
}

impl Session {
    /// The seconds that the session has left.
    pub(super) fn left(&self, now: Timestamp) -> i64 {
        self.credentials.expiration.map_or(0, |end| end.as_second() - now.as_second())
    }

    /// The session, unless it ends too soon to sign with it.
    pub(super) fn for_use(self, now: Timestamp) -> Result<Self, SessionFailure> {
        if self.left(now) < LEAST_SESSION { Err(SessionFailure::TooShort) } else { Ok(self) }
    }
}
