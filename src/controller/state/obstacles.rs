//! The cache of obstacles: foreign Secrets that have the name of a target Secret.
//!
//! An obstacle is read once, and kept until the watch of other Secrets shows a newer version or the
//! safety net reads it again.

use crate::controller::state::answer::AnswerEffect;
use crate::controller::state::packed_secret::PackedSecret;
use crate::controller::state::scopes::{Scope, Scopes};
use crate::domain::Stored;
use crate::runtime::cache::{Ticket, VersionedCache};
use crate::runtime::key::Key;
use crate::runtime::lock::Lock;

/// The foreign Secrets that some object names as its target.
#[derive(Debug)]
pub struct Obstacles {
    cache: Lock<VersionedCache<Key, Box<PackedSecret>, Scope>>,
}

impl Obstacles {
    /// An empty cache.
    #[must_use]
    pub fn new(scopes: Scopes) -> Self {
        Self { cache: Lock::new(VersionedCache::new(move |key| scopes.of(key))) }
    }

    /// The obstacle of this name.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Stored> {
        self.cache.read().get(key).map(|secret| secret.unpack(key))
    }

    /// Begins a read of a Secret that may be an obstacle.
    pub fn begin_read(&self, key: Key) -> Ticket<Key> {
        self.cache.write().begin_read(key)
    }

    /// Stores the answer to a read.
    pub fn answer(&self, ticket: Ticket<Key>, stored: Stored) -> AnswerEffect {
        let packed = Box::new(PackedSecret::pack(stored, ticket.key()));
        AnswerEffect::from(&self.cache.write().answer(ticket, packed))
    }

    /// Removes an obstacle unless it is newer than `version`, and returns whether it was removed.
    pub fn remove(&self, key: &Key, version: u64) -> bool {
        self.cache.write().remove(key, version).is_some()
    }

    /// The key of every obstacle in a scope.
    #[must_use]
    pub fn keys(&self, scope: Scope) -> Vec<Key> {
        self.cache.read().iter_scope(&scope).map(|(key, _)| key.clone()).collect()
    }

    /// Removes all obstacles of a scope.
    pub fn clear(&self, scope: Scope) {
        let _ = self.cache.write().clear(&scope);
    }
}
