//! The Secrets that stand where a URL is to be written, and are somebody else's.
//!
//! Read once, and known until the watch of other Secrets shows something newer or the safety net
//! comes.

use crate::controller::state::answer::Answered;
use crate::controller::state::packed_secret::PackedSecret;
use crate::controller::state::scopes::{Scope, Scopes};
use crate::domain::Stored;
use crate::runtime::cache::{Ticket, VersionedCache};
use crate::runtime::key::Key;
use crate::runtime::lock::Lock;

/// The foreign Secrets that some object wants to write to.
#[derive(Debug)]
pub struct Obstacles {
    cache: Lock<VersionedCache<Key, Box<PackedSecret>, Scope>>,
}

impl Obstacles {
    /// None as yet.
    #[must_use]
    pub fn new(scopes: Scopes) -> Self {
        Self { cache: Lock::new(VersionedCache::new(move |key| scopes.of(key))) }
    }

    /// The Secret that stands there.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Stored> {
        self.cache.read().get(key).map(|secret| secret.unpack(key))
    }

    /// Begins a read of what may stand there.
    pub fn begin_read(&self, key: Key) -> Ticket<Key> {
        self.cache.write().begin_read(key)
    }

    /// Takes in what stands there.
    pub fn answer(&self, ticket: Ticket<Key>, stored: Stored) -> Answered {
        let packed = Box::new(PackedSecret::pack(stored, ticket.key()));
        Answered::from(&self.cache.write().answer(ticket, packed))
    }

    /// Forgets what stood there, unless it is newer than `version`, and says whether it did.
    pub fn remove(&self, key: &Key, version: u64) -> bool {
        self.cache.write().remove(key, version).is_some()
    }

    /// Every place in a scope where one stands.
    #[must_use]
    pub fn keys(&self, scope: Scope) -> Vec<Key> {
        self.cache.read().iter_scope(&scope).map(|(key, _)| key.clone()).collect()
    }

    /// Forgets a scope.
    pub fn clear(&self, scope: Scope) {
        let _ = self.cache.write().clear(&scope);
    }
}
