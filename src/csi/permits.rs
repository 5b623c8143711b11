//! Permits for calls, so many for each namespace that one whose calls are not answered delays no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// How many volumes of a namespace may call at a time.
pub(super) const MAX_CALLS: usize = 4;

/// The permits, by namespace.
#[derive(Debug, Default)]
pub(super) struct NamespacePermits(Mutex<HashMap<String, Arc<Semaphore>>>);

impl NamespacePermits {
    /// The permits of a namespace. Those that nobody uses are dropped.
    pub(super) fn of(&self, namespace: &str) -> Arc<Semaphore> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, permits| Arc::strong_count(permits) > 1);
        all.entry(namespace.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(MAX_CALLS))).clone()
    }
}
