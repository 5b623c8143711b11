//! The register of the calls under way, and what their answers may still change in the cache.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// A call under way. The call ends when the ticket is handed back with the answer, or dropped. A call
/// that failed or was cancelled therefore leaves no entry.
#[derive(Debug)]
#[must_use]
pub struct Ticket<K>(Arc<CallUnderWay<K>>);

#[derive(Debug)]
struct CallUnderWay<K> {
    key: K,
    /// The version that an answer has if the call changed nothing.
    unchanged: Option<u64>,
    /// The lowest version that any other answer can have, unless the API server was restored.
    floor: u64,
    is_late: AtomicBool,
    is_void: AtomicBool,
}

impl<K> Ticket<K> {
    /// The key that the call is about.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.0.key
    }

    /// Whether an answer with this version shows that the API server was restored to an earlier state;
    /// see [`AnswerOutcome::Restored`](super::AnswerOutcome::Restored). The version is compared with what the cache
    /// held when the call began, because by now the cache can be newer than the answer.
    #[must_use]
    pub fn shows_restore(&self, version: u64) -> bool {
        !self.is_void() && version < self.0.floor && self.0.unchanged != Some(version)
    }

    /// Whether the object may have been deleted after the answer was sent.
    pub(super) fn is_late(&self) -> bool {
        self.0.is_late.load(Ordering::Relaxed)
    }

    /// Whether the answer may come from a state before a restore of the API server.
    pub(super) fn is_void(&self) -> bool {
        self.0.is_void.load(Ordering::Relaxed)
    }
}

/// The register of the calls under way.
///
/// Relaxed atomics are sufficient, because the cache is locked whenever a ticket is issued, marked or
/// handed back.
#[derive(Debug)]
pub(super) struct Calls<K>(Vec<Weak<CallUnderWay<K>>>);

impl<K> Default for Calls<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K> Calls<K> {
    pub fn begin(&mut self, key: K, unchanged: Option<u64>, floor: u64) -> Ticket<K> {
        self.drop_ended();
        let (is_late, is_void) = Default::default();
        let call = Arc::new(CallUnderWay { key, unchanged, floor, is_late, is_void });
        self.0.push(Arc::downgrade(&call));
        Ticket(call)
    }

    pub fn end(&mut self, ticket: Ticket<K>) {
        drop(ticket);
        self.drop_ended();
    }

    /// Marks the calls for some keys as late.
    pub fn delay(&mut self, is_meant: impl Fn(&K) -> bool) {
        for call in self.meant(is_meant) {
            call.is_late.store(true, Ordering::Relaxed);
        }
    }

    /// Marks the calls for some keys as void.
    pub fn void(&mut self, is_meant: impl Fn(&K) -> bool) {
        for call in self.meant(is_meant) {
            call.is_void.store(true, Ordering::Relaxed);
        }
    }

    pub fn len(&self) -> usize {
        self.0.iter().filter(|call| call.strong_count() > 0).count()
    }

    /// The number of calls in the register, including those that have ended.
    #[cfg(test)]
    pub fn remembered(&self) -> usize {
        self.0.len()
    }

    fn meant(&mut self, is_meant: impl Fn(&K) -> bool) -> impl Iterator<Item = Arc<CallUnderWay<K>>> {
        self.drop_ended();
        self.0.iter().filter_map(Weak::upgrade).filter(move |call| is_meant(&call.key))
    }

    fn drop_ended(&mut self) {
        self.0.retain(|call| call.strong_count() > 0);
    }
}
