//! The cache of the `PresignedUrl`s, packed. It holds the newer of what the watch showed and what the
//! answers to our own status writes returned.
//!
//! kube's store would work too, but it needs three times the memory; see `docs/scaling.md`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::ObjectMeta;

use crate::controller::state::answer::AnswerEffect;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::state::packed_spec::PackedSpec;
use crate::controller::state::packed_status::{PackedStatus, Times};
use crate::controller::state::scopes::{Scope, Scopes};
use crate::crd::names::ANNOTATION_RENEW;
use crate::domain::stored::resource_version;
use crate::runtime::cache::{AnswerOutcome, Change, Ticket, Versioned, VersionedCache};
use crate::runtime::key::{Key, Uid};
use crate::runtime::lock::Lock;

/// All `PresignedUrl`s in the watched scopes.
#[derive(Debug)]
pub struct Objects {
    cache: Lock<VersionedCache<Key, Box<Packed>, Scope>>,
}

/// What the watch or an answer showed that was new.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ObjectNews {
    /// Nothing that a reconcile uses.
    Nothing,
    /// Only the status.
    Status,
    /// The object itself, its spec or its renew annotation.
    Object,
}

#[derive(Debug)]
struct Packed {
    uid: Uid,
    resource_version: u64,
    generation: Option<i64>,
    renew: Option<Box<str>>,
    deleted: Option<Box<Time>>,
    spec: PackedSpec,
    status: PackedStatus,
}

impl Versioned for Packed {
    fn version(&self) -> u64 {
        self.resource_version
    }
}

impl Objects {
    /// An empty cache.
    #[must_use]
    pub fn new(scopes: Scopes) -> Self {
        Self { cache: Lock::new(VersionedCache::new(move |key| scopes.of(key))) }
    }

    /// An object, with the outline of its status (see [`PackedStatus::outline`]), and without its spec if
    /// that is too large for the cache.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<LeanPresignedUrl> {
        self.cache.read().get(key).map(|packed| packed.unpack(key))
    }

    /// Whether the cache holds an object of this name.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        self.cache.read().get(key).is_some()
    }

    /// Whether something may be written for the object with this UID: the cache holds it, and it is not
    /// being deleted.
    #[must_use]
    pub fn is_live(&self, key: &Key, uid: &str) -> bool {
        self.cache
            .read()
            .get(key)
            .is_some_and(|packed| packed.deleted.is_none() && packed.uid == Uid::from(uid))
    }

    /// The status of an object, as the cache holds it.
    #[must_use]
    pub fn status(&self, key: &Key) -> Option<PackedStatus> {
        self.cache.read().get(key).map(|packed| packed.status.clone())
    }

    /// Stores an object that the watch showed, and returns its key and what was new.
    pub fn observe(&self, object: &LeanPresignedUrl) -> (Key, ObjectNews) {
        let key = Key::from(object);
        let version = resource_version(object.metadata.resource_version.as_deref());
        // Most versions that a watch shows are known from the answers to our own status writes.
        if self.cache.write().confirm(&key, version) {
            return (key, ObjectNews::Nothing);
        }
        let packed = Box::new(Packed::of(object));
        let mut cache = self.cache.write();
        let change = cache.observe(key.clone(), packed);
        let news = cache.get(&key).map_or(ObjectNews::Nothing, |packed| news(&change, packed));
        (key, news)
    }

    /// Removes an object that the watch showed as deleted, and returns whether the cache held it.
    pub fn observe_deleted(&self, key: &Key, version: u64) -> bool {
        self.cache.write().observe_deleted(key, version).is_some()
    }

    /// Begins a list of a scope.
    pub fn begin_list(&self, scope: Scope) {
        self.cache.write().begin_list(&scope);
    }

    /// Ends the list. Returns the objects that are gone, and whether the API server was restored to an
    /// earlier state.
    pub fn end_list(&self, scope: Scope) -> (Vec<Key>, bool) {
        let end = self.cache.write().end_list(&scope);
        (end.removed.into_iter().map(|(key, _)| key).collect(), end.is_restored)
    }

    /// Removes all objects of a scope, and returns their keys.
    pub fn clear(&self, scope: Scope) -> Vec<Key> {
        self.cache.write().clear(&scope).into_iter().map(|(key, _)| key).collect()
    }

    /// Begins a status write over version `onto` of the object.
    pub fn begin_status_write(&self, key: Key, onto: u64) -> Ticket<Key> {
        self.cache.write().begin_write(key, Some(onto))
    }

    /// Stores the answer to a status write, and returns what else was new in it.
    pub fn answer(&self, ticket: Ticket<Key>, object: &LeanPresignedUrl) -> (AnswerEffect, ObjectNews) {
        let key = ticket.key().clone();
        let mut cache = self.cache.write();
        let answer = cache.answer(ticket, Box::new(Packed::of(object)));
        let news = match (&answer, cache.get(&key)) {
            (AnswerOutcome::Taken(change), Some(packed)) => news(change, packed),
            _ => ObjectNews::Nothing,
        };
        (AnswerEffect::from(&answer), news)
    }

    /// Every object in a scope.
    #[must_use]
    pub fn keys(&self, scope: Scope) -> Vec<Key> {
        self.cache.read().iter_scope(&scope).map(|(key, _)| key.clone()).collect()
    }

    /// Every object of a namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Vec<Key> {
        let cache = self.cache.read();
        let keys = cache.iter().map(|(key, _)| key).filter(|key| key.namespace() == namespace);
        keys.cloned().collect()
    }

    /// Whether the cache holds an object of a namespace.
    #[must_use]
    pub fn has_any_in(&self, namespace: &str) -> bool {
        self.cache.read().iter().any(|(key, _)| key.namespace() == namespace)
    }

    /// When the reported URL is due for renewal and when it expires; `None` when no URL was reported.
    #[must_use]
    pub fn times(&self, key: &Key) -> Option<Times> {
        self.cache.read().get(key)?.status.times()
    }

    /// Passes the status of every object to `visit`.
    pub fn survey(&self, visit: impl FnMut(&PackedStatus)) {
        self.cache.read().iter().map(|(_, packed)| &packed.status).for_each(visit);
    }

    /// The UID and the version of every object.
    pub fn versions(&self) -> Vec<(Key, String, u64)> {
        let cache = self.cache.read();
        let all = cache.iter().map(|(key, o)| (key.clone(), o.uid.to_string(), o.resource_version));
        all.collect()
    }
}

fn news(change: &Change<Box<Packed>>, packed: &Packed) -> ObjectNews {
    match change {
        Change::Nothing => ObjectNews::Nothing,
        Change::Inserted => ObjectNews::Object,
        Change::Replaced(before) => packed.news_since(before),
    }
}

impl From<&LeanPresignedUrl> for Key {
    fn from(object: &LeanPresignedUrl) -> Self {
        let part = |text: &Option<String>| text.clone().unwrap_or_default();
        Self::new(&part(&object.metadata.namespace), &part(&object.metadata.name))
    }
}

impl Packed {
    fn of(object: &LeanPresignedUrl) -> Self {
        let metadata = &object.metadata;
        Self {
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            resource_version: resource_version(metadata.resource_version.as_deref()),
            generation: metadata.generation,
            renew: object.renew().map(Into::into),
            deleted: metadata.deletion_timestamp.clone().map(Box::new),
            spec: PackedSpec::pack(&object.spec),
            status: PackedStatus::pack(&object.status),
        }
    }

    fn news_since(&self, before: &Self) -> ObjectNews {
        let inputs = |packed: &Self| (packed.generation, packed.deleted.is_some());
        let is_same = self.uid == before.uid
            && self.renew == before.renew
            && inputs(self) == inputs(before)
            && self.spec == before.spec;
        match (is_same, self.status == before.status) {
            (false, _) => ObjectNews::Object,
            (true, false) => ObjectNews::Status,
            (true, true) => ObjectNews::Nothing,
        }
    }

    fn unpack(&self, key: &Key) -> LeanPresignedUrl {
        let renew = self.renew.as_deref().map(|token| (ANNOTATION_RENEW.to_owned(), token.to_owned()));
        LeanPresignedUrl {
            metadata: ObjectMeta {
                name: Some(key.name().to_owned()),
                namespace: Some(key.namespace().to_owned()),
                uid: Some(self.uid.to_string()),
                resource_version: Some(self.resource_version.to_string()),
                generation: self.generation,
                deletion_timestamp: self.deleted.as_deref().cloned(),
                annotations: renew.map(|renew| [renew].into()),
                ..ObjectMeta::default()
            },
            spec: self.spec.unpack(),
            status: self.status.outline(),
        }
    }
}

#[cfg(test)]
mod tests;
