//! The cache of the Secrets that the operator wrote, so that a reconcile of an unchanged object needs
//! no request.
//!
//! A watch on our label and the answers to our own writes fill it. A Secret that is missing here has to
//! be read or created exclusively; it is never taken as proof that no Secret exists.

use std::collections::{BTreeSet, HashMap};

use crate::controller::state::answer::AnswerEffect;
use crate::controller::state::packed_secret::PackedSecret;
use crate::controller::state::scopes::{Scope, Scopes};
use crate::domain::Stored;
use crate::runtime::cache::{AnswerOutcome, Change, Ticket, VersionedCache};
use crate::runtime::key::Key;
use crate::runtime::lock::Lock;

/// The Secrets that carry our label.
#[derive(Debug)]
pub struct IssuedSecrets {
    state: Lock<StoredState>,
}

#[derive(Debug)]
struct StoredState {
    cache: VersionedCache<Key, Box<PackedSecret>, Scope>,
    /// Owner → the Secrets that were written for it and have another name.
    by_owner: HashMap<Key, BTreeSet<Key>>,
}

/// What the watch showed that was new.
#[derive(Debug, Eq, PartialEq)]
pub enum SecretNews {
    /// Nothing: the cache held this version or a newer one.
    Nothing,
    /// The Secret was not in the cache.
    New,
    /// The Secret was in the cache in an older version. Holds the owner that the older version named,
    /// if it named one.
    Changed(Option<Box<str>>),
}

impl IssuedSecrets {
    /// An empty cache.
    #[must_use]
    pub fn new(scopes: Scopes) -> Self {
        let cache = VersionedCache::new(move |key| scopes.of(key));
        Self { state: Lock::new(StoredState { cache, by_owner: HashMap::new() }) }
    }

    /// A Secret; `None` when the cache does not hold it.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Stored> {
        self.state.read().cache.get(key).map(|secret| secret.unpack(key))
    }

    /// The Secrets whose annotation names the `PresignedUrl` `owner`.
    #[must_use]
    pub fn written_for(&self, owner: &Key) -> Vec<(Key, Stored)> {
        let state = self.state.read();
        let named = state.named(owner).filter(|(key, secret)| secret.owner(key) == Some(owner.name()));
        named.map(|(key, secret)| (key.clone(), secret.unpack(key))).collect()
    }

    /// The latest expiration of all URLs that were written for an owner, in seconds since the epoch.
    #[must_use]
    pub fn expiration(&self, owner: &Key) -> Option<i64> {
        let state = self.state.read();
        let expirations = state.named(owner).filter_map(|(_, secret)| secret.expiration());
        expirations.max()
    }

    /// Whether the cache already holds what the watch shows at this version, so that it is not parsed.
    #[must_use]
    pub fn confirm(&self, key: &Key, version: u64) -> bool {
        self.state.write().cache.confirm(key, version)
    }

    /// Stores a Secret that the watch showed.
    pub fn observe(&self, key: &Key, stored: Stored) -> SecretNews {
        let packed = Box::new(PackedSecret::pack(stored, key));
        let mut state = self.state.write();
        let change = state.cache.observe(key.clone(), packed);
        state.taken(key, &change);
        match change {
            Change::Nothing => SecretNews::Nothing,
            Change::Inserted => SecretNews::New,
            Change::Replaced(before) => SecretNews::Changed(before.owner(key).map(Into::into)),
        }
    }

    /// Removes a Secret that the watch showed as deleted, and returns it.
    pub fn observe_deleted(&self, key: &Key, version: u64) -> Option<Stored> {
        let mut state = self.state.write();
        let gone = state.cache.observe_deleted(key, version)?;
        state.removed(key, &gone);
        Some(gone.unpack(key))
    }

    /// Removes a Secret that turned out to be outdated, unless it is newer than `version`. Returns
    /// whether it was removed.
    pub fn remove(&self, key: &Key, version: u64) -> bool {
        let mut state = self.state.write();
        let Some(gone) = state.cache.remove(key, version) else { return false };
        state.removed(key, &gone);
        true
    }

    /// Begins a list of a scope.
    pub fn begin_list(&self, scope: Scope) {
        self.state.write().cache.begin_list(&scope);
    }

    /// Ends the list. Returns the Secrets that are gone, each with its owner, and whether the API server
    /// was restored to an earlier state.
    pub fn end_list(&self, scope: Scope) -> (Vec<(Key, Option<Box<str>>)>, bool) {
        let mut state = self.state.write();
        let end = state.cache.end_list(&scope);
        let mut gone = Vec::new();
        for (key, secret) in end.removed {
            state.removed(&key, &secret);
            gone.push((key.clone(), secret.owner(&key).map(Into::into)));
        }
        (gone, end.is_restored)
    }

    /// Removes all Secrets of a scope.
    pub fn clear(&self, scope: Scope) {
        let mut state = self.state.write();
        for (key, secret) in state.cache.clear(&scope) {
            state.removed(&key, &secret);
        }
    }

    /// Begins a write over version `onto` of a Secret; `None` for a create.
    pub fn begin_write(&self, key: Key, onto: Option<u64>) -> Ticket<Key> {
        self.state.write().cache.begin_write(key, onto)
    }

    /// Begins a read whose answer is stored when no watch shows the Secret.
    pub fn begin_read(&self, key: Key) -> Ticket<Key> {
        self.state.write().cache.begin_read(key)
    }

    /// Stores the answer to a call. When a watch fills the cache (`is_watched`), only Secrets that carry
    /// our label are stored, because the watch does not show changes of others.
    pub fn answer(&self, ticket: Ticket<Key>, stored: Stored, is_watched: bool) -> AnswerEffect {
        if is_watched && !stored.is_managed {
            return AnswerEffect::Reconcile;
        }
        let key = ticket.key().clone();
        let packed = Box::new(PackedSecret::pack(stored, &key));
        let mut state = self.state.write();
        let answer = state.cache.answer(ticket, packed);
        if let AnswerOutcome::Taken(change) = &answer {
            state.taken(&key, change);
        }
        AnswerEffect::from(&answer)
    }

    /// The UID and the version of every Secret.
    pub fn versions(&self) -> Vec<(Key, String, u64)> {
        let state = self.state.read();
        let all = state.cache.iter().map(|(key, secret)| (key, secret.unpack(key)));
        all.map(|(key, stored)| (key.clone(), stored.uid.to_string(), stored.resource_version)).collect()
    }
}

impl StoredState {
    /// The Secrets that have the name of an owner, or whose annotation names it.
    fn named<'a>(&'a self, owner: &'a Key) -> impl Iterator<Item = (&'a Key, &'a PackedSecret)> {
        let others = self.by_owner.get(owner).into_iter().flatten();
        let keys = others.chain([owner]);
        keys.filter_map(|key| self.cache.get_key_value(key)).map(|(key, secret)| (key, &**secret))
    }

    fn taken(&mut self, key: &Key, change: &Change<Box<PackedSecret>>) {
        match change {
            Change::Nothing => return,
            Change::Inserted => {}
            Change::Replaced(before) => self.removed(key, before),
        }
        let Some((key, secret)) = self.cache.get_key_value(key) else { return };
        if let Some(owner) = secret.owner(key).filter(|owner| *owner != key.name()) {
            self.by_owner.entry(Key::new(key.namespace(), owner)).or_default().insert(key.clone());
        }
    }

    fn removed(&mut self, key: &Key, secret: &PackedSecret) {
        let Some(owner) = secret.owner(key).map(|owner| Key::new(key.namespace(), owner)) else { return };
        if let Some(secrets) = self.by_owner.get_mut(&owner) {
            secrets.remove(key);
            if secrets.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
    }
}
