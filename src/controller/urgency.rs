//! How urgent each object is among those that are due.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::controller::state::issued_secrets::IssuedSecrets;
use crate::controller::state::objects::Objects;
use crate::runtime::schedule::Rank;
use crate::runtime::{Clock, Key};

/// What an object's rank depends on.
pub struct Urgency {
    /// What was reported.
    pub objects: Arc<Objects>,
    /// What is stored.
    pub issued_secrets: Arc<IssuedSecrets>,
    /// The time.
    pub clock: Clock,
    /// Whether Secrets can only be read by name, so that not all that are stored are known.
    pub reads_by_name: bool,
}

impl Urgency {
    /// The rank of an object. Urgent is a URL with less than half of its overlap left by what the
    /// Secret says, and one that was issued and is missing.
    pub fn rank(&self, key: &Key) -> Rank {
        let reported = self.objects.times(key);
        let stored = self.issued_secrets.expiration(key);
        let overlap = reported.map_or(0, |times| times.expiration - times.renewal);
        match (stored, reported) {
            // Somebody waits for a first URL, and nothing expires meanwhile.
            (None, None) => Rank { urgent_at: None, expires: i64::MIN },
            (None, Some(times)) if !self.reads_by_name => {
                Rank { urgent_at: Some(Instant::now()), expires: times.expiration }
            }
            (None, Some(times)) => self.by_time(times.expiration, overlap),
            // A Secret of an earlier name may expire later than the one that is reported.
            (Some(stored), Some(times)) => self.by_time(stored.min(times.expiration), overlap),
            (Some(stored), None) => self.by_time(stored, overlap),
        }
    }

    fn by_time(&self, expires: i64, overlap: i64) -> Rank {
        let urgent_at = Timestamp::from_second(expires.saturating_sub(overlap / 2)).ok();
        Rank { urgent_at: urgent_at.map(|time| Instant::now() + self.clock.until(time)), expires }
    }
}
