//! What is known of the Secrets that we wrote, so that a pass over an unchanged object
//! costs no API call.
//!
//! Filled by a watch on our label and by our own writes, whichever comes first. A fact
//! that is missing means "look", never "issue".

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::controller::state::packed_secret::Fact;
use crate::domain::Stored;
use crate::runtime::key::Key;

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

impl From<&SecretKey> for Key {
    fn from(key: &SecretKey) -> Self {
        Self::new(&key.namespace, &key.name)
    }
}

impl From<&Key> for SecretKey {
    fn from(key: &Key) -> Self {
        Self::new(key.namespace(), key.name())
    }
}

/// The facts, one a Secret.
#[derive(Debug, Default)]
pub struct Facts {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    secrets: HashMap<Key, Box<Fact>>,
    /// An owner → its Secrets that are not called like itself.
    by_owner: HashMap<Key, BTreeSet<Key>>,
}

impl Facts {
    /// What is known of a Secret.
    #[must_use]
    pub fn get(&self, key: &SecretKey) -> Option<Stored> {
        let key = Key::from(key);
        self.lock().secrets.get(&key).map(|fact| fact.unpack(&key))
    }

    /// The Secrets that say they were written for the `PresignedUrl` called `owner`.
    #[must_use]
    pub fn written_for(&self, namespace: &str, owner: &str) -> Vec<(SecretKey, Stored)> {
        let known = self.lock();
        let namesake = Key::new(namespace, owner);
        let others = known.by_owner.get(&namesake).into_iter().flatten();
        others
            .chain([&namesake])
            .filter_map(|key| Some((key, known.secrets.get(key)?)))
            .filter(|(key, fact)| fact.owner(key) == Some(owner))
            .map(|(key, fact)| (key.into(), fact.unpack(key)))
            .collect()
    }

    /// Whether a Secret is known as it was at `resource_version`, or later.
    #[must_use]
    pub fn knows(&self, key: &SecretKey, resource_version: u64) -> bool {
        self.lock().is_known(&Key::from(key), resource_version)
    }

    /// Takes in what a write, a read or a watch event showed, unless something newer is
    /// known. Returns whether it was news, and the fact that it replaced.
    pub fn learn(&self, key: &SecretKey, stored: Stored) -> (bool, Option<Stored>) {
        let key = Key::from(key);
        let mut known = self.lock();
        if known.is_known(&key, stored.resource_version) {
            return (false, None);
        }
        let before = known.remove(&key);
        known.insert(key, stored);
        (true, before)
    }

    /// Drops the fact about a Secret that is gone, or changed out of the watch's sight,
    /// at `resource_version`. A newer fact stays.
    pub fn forget(&self, key: &SecretKey, resource_version: u64) -> Option<Stored> {
        let key = Key::from(key);
        let mut known = self.lock();
        known.secrets.get(&key).filter(|before| before.resource_version <= resource_version)?;
        known.remove(&key)
    }

    /// Drops everything.
    pub fn clear(&self) {
        *self.lock() = Known::default();
    }

    /// Drops every fact about a Secret in `namespace` (all when `None`) that a complete
    /// list did not show, and returns the keys: either it is gone, or a look will tell.
    pub fn retain_listed(&self, namespace: Option<&str>, listed: &HashSet<SecretKey>) -> Vec<SecretKey> {
        let mut known = self.lock();
        let in_scope = |key: &Key| namespace.is_none_or(|namespace| key.namespace() == namespace);
        let dropped: Vec<Key> = known
            .secrets
            .keys()
            .filter(|key| in_scope(key) && !listed.contains(&SecretKey::from(*key)))
            .cloned()
            .collect();
        for key in &dropped {
            known.remove(key);
        }
        dropped.iter().map(SecretKey::from).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_known(&self, key: &Key, resource_version: u64) -> bool {
        self.secrets.get(key).is_some_and(|fact| fact.resource_version >= resource_version)
    }

    fn insert(&mut self, key: Key, stored: Stored) {
        if let Some(owner) = stored.owner.as_deref().filter(|owner| *owner != key.name()) {
            self.by_owner.entry(Key::new(key.namespace(), owner)).or_default().insert(key.clone());
        }
        let fact = Fact::pack(stored, &key);
        self.secrets.insert(key, Box::new(fact));
    }

    fn remove(&mut self, key: &Key) -> Option<Stored> {
        let (key, fact) = self.secrets.remove_entry(key)?;
        if let Some(owner) = fact.owner(&key) {
            let owner = Key::new(key.namespace(), owner);
            if let Some(secrets) = self.by_owner.get_mut(&owner) {
                secrets.remove(&key);
                if secrets.is_empty() {
                    self.by_owner.remove(&owner);
                }
            }
        }
        Some(fact.unpack(&key))
    }
}
