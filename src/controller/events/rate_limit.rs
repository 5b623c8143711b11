//! The rate limit of the events of each object, so that a flapping cause does not flood the API server.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many events an object may have in a row.
const BURST: u32 = 10;
/// How long it takes until one more event is permitted.
const REFILL: Duration = Duration::from_secs(60);

/// One token bucket for each object, as client-go's recorder has. Entries with a full bucket are dropped
/// from time to time.
#[derive(Debug, Default)]
pub struct RateLimit {
    buckets: Mutex<TokenBuckets>,
}

#[derive(Debug, Default)]
struct TokenBuckets {
    /// UID → when its bucket is full again.
    refilled: HashMap<String, Instant>,
    /// At this number of entries, those with a full bucket are dropped.
    full_at: usize,
}

impl RateLimit {
    /// Whether the object with this UID may have one more event now. If so, takes a token.
    pub fn permits(&self, uid: &str) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if buckets.refilled.len() >= buckets.full_at {
            // A full bucket needs no entry. The map may double until the next cleanup, so that not every
            // event scans all entries.
            buckets.refilled.retain(|_, until| *until > now);
            buckets.refilled.shrink_to_fit();
            buckets.full_at = 2 * buckets.refilled.len() + 64;
        }
        let until = buckets.refilled.get(uid).copied().unwrap_or(now) + REFILL;
        if until.duration_since(now) > REFILL * BURST {
            return false;
        }
        buckets.refilled.insert(uid.to_owned(), until);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_one_a_minute() {
        let limit = RateLimit::default();
        let permitted = |uid: &str| (0..100).filter(|_| limit.permits(uid)).count();
        assert_eq!(permitted("a"), 10);
        assert_eq!(permitted("b"), 10, "each object has its own");
        tokio::time::advance(REFILL).await;
        assert_eq!(permitted("a"), 1);
        tokio::time::advance(REFILL * BURST).await;
        assert_eq!(permitted("a"), 10);
    }
}
