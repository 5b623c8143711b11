//! What is known of the Secrets that we wrote, so that a pass over an unchanged object
//! costs no API call.
//!
//! Filled by a watch on our label and by our own writes, whichever comes first. A fact
//! that is missing means "look", never "issue".

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::domain::Stored;

/// Namespace and name of a Secret.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SecretKey {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl SecretKey {
    /// The Secret called `name` in `namespace`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// The facts, one a Secret.
#[derive(Debug, Default)]
pub struct Facts {
    known: Mutex<HashMap<SecretKey, Stored>>,
}

impl Facts {
    /// What is known of a Secret.
    #[must_use]
    pub fn get(&self, key: &SecretKey) -> Option<Stored> {
        self.lock().get(key).cloned()
    }

    /// Takes in what a write, a read or a watch event showed, unless something newer is
    /// known. Returns whether it was news, and the fact that it replaced.
    pub fn learn(&self, key: SecretKey, stored: Stored) -> (bool, Option<Stored>) {
        let mut known = self.lock();
        match known.get(&key) {
            Some(before) if before.resource_version >= stored.resource_version => (false, None),
            _ => (true, known.insert(key, stored)),
        }
    }

    /// Drops the fact about a Secret that is gone, or changed out of the watch's sight,
    /// at `resource_version`. A newer fact stays.
    pub fn forget(&self, key: &SecretKey, resource_version: u64) -> Option<Stored> {
        let mut known = self.lock();
        known.get(key).filter(|before| before.resource_version <= resource_version)?;
        known.remove(key)
    }

    /// Drops every fact about a Secret in `namespace` (all when `None`) that a complete
    /// list did not show, and returns the keys: either it is gone, or a look will tell.
    pub fn retain_listed(&self, namespace: Option<&str>, listed: &HashSet<SecretKey>) -> Vec<SecretKey> {
        let mut known = self.lock();
        let in_scope = |key: &SecretKey| namespace.is_none_or(|namespace| key.namespace == namespace);
        let dropped: Vec<SecretKey> =
            known.keys().filter(|key| in_scope(key) && !listed.contains(*key)).cloned().collect();
        for key in &dropped {
            known.remove(key);
        }
        dropped
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SecretKey, Stored>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
