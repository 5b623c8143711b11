//! The Secrets that we wrote, so that a reconcile of an unchanged object costs no call.
//!
//! Filled by a watch on our label and by the answers to our own writes. A Secret that is
//! missing here means "look", never "issue".

use std::collections::{BTreeSet, HashMap};

use crate::controller::state::answer::Answered;
use crate::controller::state::packed_secret::PackedSecret;
use crate::controller::state::scopes::{Scope, Scopes};
use crate::domain::Stored;
use crate::runtime::cache::{Answer, Change, Ticket, VersionedCache};
use crate::runtime::key::Key;
use crate::runtime::lock::Lock;

/// The Secrets that carry our label.
#[derive(Debug)]
pub struct IssuedSecrets {
    state: Lock<State>,
}

#[derive(Debug)]
struct State {
    cache: VersionedCache<Key, Box<PackedSecret>, Scope>,
    /// An owner → its Secrets that are not called like itself.
    by_owner: HashMap<Key, BTreeSet<Key>>,
}

/// What was new about a Secret.
#[derive(Debug, Eq, PartialEq)]
pub enum News {
    /// Nothing.
    Known,
    /// It was not known.
    New,
    /// It was written for this owner before, as far as that was said.
    Changed(Option<Box<str>>),
}

impl IssuedSecrets {
    /// None as yet.
    #[must_use]
    pub fn new(scopes: Scopes) -> Self {
        let cache = VersionedCache::new(move |key| scopes.of(key));
        Self { state: Lock::new(State { cache, by_owner: HashMap::new() }) }
    }

    /// What is known of a Secret.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Stored> {
        self.state.read().cache.get(key).map(|secret| secret.unpack(key))
    }

    /// The Secrets that say they were written for the `PresignedUrl` called `owner`.
    #[must_use]
    pub fn written_for(&self, owner: &Key) -> Vec<(Key, Stored)> {
        let state = self.state.read();
        let named = state.named(owner).filter(|(key, secret)| secret.owner(key) == Some(owner.name()));
        named.map(|(key, secret)| (key.clone(), secret.unpack(key))).collect()
    }

    /// When the newest URL expires that was written for an owner, in seconds.
    #[must_use]
    pub fn expiration(&self, owner: &Key) -> Option<i64> {
        let state = self.state.read();
        let expirations = state.named(owner).filter_map(|(_, secret)| secret.expiration());
        expirations.max()
    }

    /// Whether a Secret that the watch shows at this version needs no reading.
    #[must_use]
    pub fn confirm(&self, key: &Key, version: u64) -> bool {
        self.state.write().cache.confirm(key, version)
    }

    /// Takes in a Secret as the watch showed it.
    pub fn observe(&self, key: &Key, stored: Stored) -> News {
        let packed = Box::new(PackedSecret::pack(stored, key));
        let mut state = self.state.write();
        let change = state.cache.observe(key.clone(), packed);
        state.taken(key, &change);
        match change {
            Change::Known => News::Known,
            Change::Inserted => News::New,
            Change::Replaced(before) => News::Changed(before.owner(key).map(Into::into)),
        }
    }

    /// Takes in a deletion, and returns what is gone.
    pub fn observe_deleted(&self, key: &Key, version: u64) -> Option<Stored> {
        let mut state = self.state.write();
        let gone = state.cache.observe_deleted(key, version)?;
        state.removed(key, &gone);
        Some(gone.unpack(key))
    }

    /// Forgets what turned out to be outdated, unless it is newer than `version`.
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

    /// Ends it, and returns what is gone with its owner, and whether the API server went back.
    pub fn end_list(&self, scope: Scope) -> (Vec<(Key, Option<Box<str>>)>, bool) {
        let mut state = self.state.write();
        let end = state.cache.end_list(&scope);
        let mut gone = Vec::new();
        for (key, secret) in end.removed {
            state.removed(&key, &secret);
            gone.push((key.clone(), secret.owner(&key).map(Into::into)));
        }
        (gone, end.went_back)
    }

    /// Forgets a scope.
    pub fn clear(&self, scope: Scope) {
        let mut state = self.state.write();
        for (key, secret) in state.cache.clear(&scope) {
            state.removed(&key, &secret);
        }
    }

    /// Begins a write onto this version of a Secret; `None` for a create.
    pub fn begin_write(&self, key: Key, onto: Option<u64>) -> Ticket<Key> {
        self.state.write().cache.begin_write(key, onto)
    }

    /// Begins a read whose answer is kept, since no watch shows it.
    pub fn begin_read(&self, key: Key) -> Ticket<Key> {
        self.state.write().cache.begin_read(key)
    }

    /// Takes in the answer to a call. Only Secrets that carry our label are kept: no watch would
    /// show what becomes of another one.
    pub fn answer(&self, ticket: Ticket<Key>, stored: Stored, is_watched: bool) -> Answered {
        if is_watched && !stored.is_managed {
            return Answered::LookAgain;
        }
        let key = ticket.key().clone();
        let packed = Box::new(PackedSecret::pack(stored, &key));
        let mut state = self.state.write();
        let answer = state.cache.answer(ticket, packed);
        if let Answer::Taken(change) = &answer {
            state.taken(&key, change);
        }
        Answered::from(&answer)
    }

    /// UID and version of every Secret.
    pub fn versions(&self) -> Vec<(Key, String, u64)> {
        let state = self.state.read();
        let all = state.cache.iter().map(|(key, secret)| (key, secret.unpack(key)));
        all.map(|(key, stored)| (key.clone(), stored.uid.to_string(), stored.resource_version)).collect()
    }
}

impl State {
    /// The Secrets that are called like an owner, or that say they were written for it.
    fn named<'a>(&'a self, owner: &'a Key) -> impl Iterator<Item = (&'a Key, &'a PackedSecret)> {
        let others = self.by_owner.get(owner).into_iter().flatten();
        let keys = others.chain([owner]);
        keys.filter_map(|key| self.cache.get_key_value(key)).map(|(key, secret)| (key, &**secret))
    }

    fn taken(&mut self, key: &Key, change: &Change<Box<PackedSecret>>) {
        match change {
            Change::Known => return,
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
