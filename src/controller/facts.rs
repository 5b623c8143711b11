//! What is known of the Secrets that we wrote, so that a pass over an unchanged object
//! costs no API call.
//!
//! Filled by a watch on our label and by our own writes, whichever comes first. A fact
//! that is missing means "look", never "issue".

use std::collections::{BTreeSet, HashMap, HashSet};
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
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    secrets: HashMap<SecretKey, Stored>,
    /// Namespace and name of an owner → its Secrets that are not called like itself.
    by_owner: HashMap<SecretKey, BTreeSet<String>>,
}

impl Facts {
    /// What is known of a Secret.
    #[must_use]
    pub fn get(&self, key: &SecretKey) -> Option<Stored> {
        self.lock().secrets.get(key).cloned()
    }

    /// The Secrets that say they were written for the `PresignedUrl` called `owner`.
    #[must_use]
    pub fn written_for(&self, namespace: &str, owner: &str) -> Vec<(SecretKey, Stored)> {
        let known = self.lock();
        let owner = SecretKey::new(namespace, owner);
        let others = known.by_owner.get(&owner).into_iter().flatten();
        others
            .map(|name| SecretKey::new(namespace, name))
            .chain([owner.clone()])
            .filter_map(|key| known.secrets.get(&key).cloned().map(|stored| (key, stored)))
            .filter(|(_, stored)| stored.owner.as_deref() == Some(owner.name.as_str()))
            .collect()
    }

    /// Takes in what a write, a read or a watch event showed, unless something newer is
    /// known. Returns whether it was news, and the fact that it replaced.
    pub fn learn(&self, key: SecretKey, stored: Stored) -> (bool, Option<Stored>) {
        let mut known = self.lock();
        if known.secrets.get(&key).is_some_and(|before| before.resource_version >= stored.resource_version) {
            return (false, None);
        }
        let before = known.remove(&key);
        known.insert(key, stored);
        (true, before)
    }

    /// Drops the fact about a Secret that is gone, or changed out of the watch's sight,
    /// at `resource_version`. A newer fact stays.
    pub fn forget(&self, key: &SecretKey, resource_version: u64) -> Option<Stored> {
        let mut known = self.lock();
        known.secrets.get(key).filter(|before| before.resource_version <= resource_version)?;
        known.remove(key)
    }

    /// Drops everything.
    pub fn clear(&self) {
        *self.lock() = Known::default();
    }

    /// Drops every fact about a Secret in `namespace` (all when `None`) that a complete
    /// list did not show, and returns the keys: either it is gone, or a look will tell.
    pub fn retain_listed(&self, namespace: Option<&str>, listed: &HashSet<SecretKey>) -> Vec<SecretKey> {
        let mut known = self.lock();
        let in_scope = |key: &SecretKey| namespace.is_none_or(|namespace| key.namespace == namespace);
        let dropped: Vec<SecretKey> =
            known.secrets.keys().filter(|key| in_scope(key) && !listed.contains(*key)).cloned().collect();
        for key in &dropped {
            known.remove(key);
        }
        dropped
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn insert(&mut self, key: SecretKey, stored: Stored) {
        if let Some(owner) = stored.owner.as_deref().filter(|owner| *owner != key.name) {
            self.by_owner.entry(SecretKey::new(&key.namespace, owner)).or_default().insert(key.name.clone());
        }
        self.secrets.insert(key, stored);
    }

    fn remove(&mut self, key: &SecretKey) -> Option<Stored> {
        let stored = self.secrets.remove(key)?;
        if let Some(owner) = stored.owner.as_deref() {
            let owner = SecretKey::new(&key.namespace, owner);
            if let Some(names) = self.by_owner.get_mut(&owner) {
                names.remove(&key.name);
                if names.is_empty() {
                    self.by_owner.remove(&owner);
                }
            }
        }
        Some(stored)
    }
}
