//! When the URLs of a volume were signed, are renewed and expire.

use jiff::{SignedDuration, Timestamp};

use crate::domain::Validity;
use crate::domain::request::Overlap;

/// The times of a volume. Its URLs change together, so the first renewal and the first expiry count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VolumeTimes {
    /// When the URLs were signed.
    pub signing_time: Timestamp,
    /// When the next URLs are due.
    pub renewal_time: Timestamp,
    /// When the first URL expires.
    pub expiration_time: Timestamp,
}

impl VolumeTimes {
    /// The times of URLs; `None` if there are none. `seed`, a hash of the volume, spreads the renewals of
    /// many volumes.
    #[must_use]
    pub fn of(urls: impl IntoIterator<Item = (Validity, Overlap)>, seed: u32) -> Option<Self> {
        let each = urls.into_iter().map(|(validity, overlap)| Self {
            signing_time: validity.signing_time,
            renewal_time: validity.renewal_time(overlap, seed),
            expiration_time: validity.expiration_time(),
        });
        each.reduce(|one, other| Self {
            signing_time: one.signing_time.max(other.signing_time),
            renewal_time: one.renewal_time.min(other.renewal_time),
            expiration_time: one.expiration_time.min(other.expiration_time),
        })
    }

    /// Whether all URLs work at `now`.
    #[must_use]
    pub fn are_alive(&self, now: Timestamp) -> bool {
        now < self.expiration_time
    }

    /// Whether half of the time between renewal and expiry has passed.
    #[must_use]
    pub fn are_late(&self, now: Timestamp) -> bool {
        now.duration_since(self.renewal_time) * 2 > self.expiration_time.duration_since(self.renewal_time)
            && now > self.renewal_time
    }

    /// The seconds until the first URL expires; `None` if it has.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Option<u32> {
        let left = self.expiration_time.duration_since(now);
        u32::try_from(left.as_secs()).ok().filter(|_| left > SignedDuration::ZERO)
    }
}
