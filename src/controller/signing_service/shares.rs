//! What each node, and each namespace on a node, may ask for, so that one does not starve another.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The limits of one share.
#[derive(Clone, Copy, Debug)]
pub struct ShareLimits {
    /// How many requests may come at once.
    pub burst: u32,
    /// How many requests a second may follow.
    pub per_second: u32,
    /// How many requests are worked on at a time.
    pub at_work: usize,
    /// How many shares are kept.
    pub most: usize,
}

/// The shares by their owners. One that is not used is dropped when it is full again.
#[derive(Debug)]
pub struct Shares<K> {
    limits: ShareLimits,
    all: HashMap<K, OwnedShare>,
}

/// The tokens of an owner, and the slots of its requests.
#[derive(Debug)]
struct OwnedShare {
    tokens: f64,
    filled: Instant,
    slots: Arc<Semaphore>,
}

impl OwnedShare {
    fn fill(&mut self, limits: ShareLimits, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * f64::from(limits.per_second)).min(f64::from(limits.burst));
        self.filled = now;
    }

    /// Whether nothing is lost when it is dropped.
    fn is_idle(&self, limits: ShareLimits, now: Instant) -> bool {
        let missing = (f64::from(limits.burst) - self.tokens) / f64::from(limits.per_second);
        let is_full = now.saturating_duration_since(self.filled) >= Duration::from_secs_f64(missing);
        is_full && Arc::strong_count(&self.slots) == 1
    }
}

impl<K: Clone + Eq + Hash> Shares<K> {
    pub fn new(limits: ShareLimits) -> Self {
        Self { limits, all: HashMap::new() }
    }

    /// Takes one request from a share, and returns its slots, of which the request waits for one; `None`
    /// if the share is used up.
    pub fn take(&mut self, owner: &K, now: Instant) -> Option<Arc<Semaphore>> {
        let limits = self.limits;
        if !self.all.contains_key(owner) && self.all.len() >= limits.most {
            self.all.retain(|_, share| !share.is_idle(limits, now));
            if self.all.len() >= limits.most {
                return None;
            }
        }
        let share = self.all.entry(owner.clone()).or_insert_with(|| OwnedShare {
            tokens: f64::from(limits.burst),
            filled: now,
            slots: Arc::new(Semaphore::new(limits.at_work)),
        });
        share.fill(limits, now);
        if share.tokens < 1.0 {
            return None;
        }
        share.tokens -= 1.0;
        Some(share.slots.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: ShareLimits = ShareLimits { burst: 3, per_second: 2, at_work: 2, most: 2 };

    #[test]
    fn a_share_is_used_up_and_fills_again() {
        let (mut shares, now) = (Shares::new(TERMS), Instant::now());
        let mut takes =
            |owner: &'static str, ms| shares.take(&owner, now + Duration::from_millis(ms)).is_some();
        assert!(takes("a", 0) && takes("a", 0) && takes("a", 0) && !takes("a", 0));
        assert!(takes("b", 0), "another one is not affected");
        assert!(!takes("a", 499) && takes("a", 500) && !takes("a", 500));
        assert!([takes("a", 60_000), takes("a", 60_000), takes("a", 60_000)] == [true; 3]);
        assert!(!takes("a", 60_000), "more than the burst is never saved up");
        assert!(!takes("a", 0), "time does not go back");
    }

    #[test]
    fn shares_are_bounded_and_those_in_use_are_kept() {
        let (mut shares, now) = (Shares::new(TERMS), Instant::now());
        let slots = shares.take(&"a", now).unwrap();
        assert!(shares.take(&"b", now).is_some());
        assert!(shares.take(&"c", now).is_none(), "both are in use");
        let later = now + Duration::from_millis(500);
        assert!(shares.take(&"c", later).is_some(), "b is full again");
        assert_eq!(shares.all.len(), 2);
        assert!(shares.all.contains_key("a"), "a request of it is at work");
        assert!(Arc::ptr_eq(&slots, &shares.take(&"a", later).unwrap()));
    }
}
