//! The rank of each object among those that are due.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::controller::state::issued_secrets::IssuedSecrets;
use crate::controller::state::objects::Objects;
use crate::runtime::schedule::Rank;
use crate::runtime::{Clock, Key};

/// What the rank of an object depends on.
pub struct Urgency {
    /// The cache of the `PresignedUrl`s, for the times in statuses.
    pub objects: Arc<Objects>,
    /// The cache of the Secrets that the operator wrote.
    pub issued_secrets: Arc<IssuedSecrets>,
    /// The wall clock.
    pub clock: Clock,
    /// Whether Secrets are read by name, so that the cache does not hold all that exist.
    pub reads_by_name: bool,
}

impl Urgency {
    /// The rank of an object. An object is urgent when its URL has less than half of the overlap left,
    /// by the Secret in the cache, or when its URL was issued and its Secret is missing.
    pub fn rank(&self, key: &Key) -> Rank {
        let in_status = self.objects.times(key);
        let stored = self.issued_secrets.expiration(key);
        let overlap = in_status.map_or(0, |times| times.expiration - times.renewal);
        match (stored, in_status) {
            // A first URL: a user waits for it, and nothing expires meanwhile.
            (None, None) => Rank { urgent_at: None, expires: i64::MIN },
            (None, Some(times)) if !self.reads_by_name => {
                Rank { urgent_at: Some(Instant::now()), expires: times.expiration }
            }
            (None, Some(times)) => self.by_time(times.expiration, overlap),
            // A Secret of an earlier name may expire later than the URL in the status.
            (Some(stored), Some(times)) => self.by_time(stored.min(times.expiration), overlap),
            (Some(stored), None) => self.by_time(stored, overlap),
        }
    }

    fn by_time(&self, expires: i64, overlap: i64) -> Rank {
        let urgent_at = Timestamp::from_second(expires.saturating_sub(overlap / 2)).ok();
        Rank { urgent_at: urgent_at.map(|time| Instant::now() + self.clock.until(time)), expires }
    }
}
