//! The `PresignedUrl`s, packed: what the watch shows and what our own reports returned,
//! whichever is newer.
//!
//! kube's store would do, but its shape costs three times the memory; see `docs/scaling.md`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::ObjectMeta;

use crate::controller::state::answer::Answered;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::state::packed_spec::PackedSpec;
use crate::controller::state::packed_status::{Reported, Times};
use crate::controller::state::scopes::{Scope, Scopes};
use crate::crd::names::ANNOTATION_RENEW;
use crate::domain::stored::resource_version;
use crate::runtime::cache::{Answer, Change, Ticket, Versioned, VersionedCache};
use crate::runtime::key::{Key, Uid};
use crate::runtime::lock::Lock;

/// All objects that are looked after.
#[derive(Debug)]
pub struct Objects {
    cache: Lock<VersionedCache<Key, Box<Packed>, Scope>>,
}

/// What was new about an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum News {
    /// Nothing that a reconcile looks at.
    Nothing,
    /// The status alone.
    Status,
    /// The object itself, or what is asked for.
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
    reported: Reported,
}

impl Versioned for Packed {
    fn version(&self) -> u64 {
        self.resource_version
    }
}

impl Objects {
    /// None as yet.
    #[must_use]
    pub fn new(scopes: Scopes) -> Self {
        Self { cache: Lock::new(VersionedCache::new(move |key| scopes.of(key))) }
    }

    /// An object, without the texts of its status (see [`Reported::outline`]), and without a spec
    /// that is too large to be kept.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<LeanPresignedUrl> {
        self.cache.read().get(key).map(|packed| packed.unpack(key))
    }

    /// Whether there is such an object.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        self.cache.read().get(key).is_some()
    }

    /// Whether something may be written for the object with this UID: it is there, and nobody
    /// has asked for its deletion.
    #[must_use]
    pub fn is_live(&self, key: &Key, uid: &str) -> bool {
        self.cache
            .read()
            .get(key)
            .is_some_and(|packed| packed.deleted.is_none() && packed.uid == Uid::from(uid))
    }

    /// The status that an object has as far as is known.
    #[must_use]
    pub fn reported(&self, key: &Key) -> Option<Reported> {
        self.cache.read().get(key).map(|packed| packed.reported.clone())
    }

    /// Takes in an object as the watch showed it, and says what was new, and whether it is
    /// another object than the one that had the name.
    pub fn observe(&self, object: &LeanPresignedUrl) -> (Key, News) {
        let key = Key::from(object);
        let version = resource_version(object.metadata.resource_version.as_deref());
        // Most of what a watch shows was known from the answer to our own report.
        if self.cache.write().confirm(&key, version) {
            return (key, News::Nothing);
        }
        let packed = Box::new(Packed::of(object));
        let mut cache = self.cache.write();
        let change = cache.observe(key.clone(), packed);
        let news = cache.get(&key).map_or(News::Nothing, |packed| news(&change, packed));
        (key, news)
    }

    /// Takes in a deletion, and says whether the object was there.
    pub fn observe_deleted(&self, key: &Key, version: u64) -> bool {
        self.cache.write().observe_deleted(key, version).is_some()
    }

    /// Begins a list of a scope.
    pub fn begin_list(&self, scope: Scope) {
        self.cache.write().begin_list(&scope);
    }

    /// Ends it, and returns what is gone, and whether the API server went back.
    pub fn end_list(&self, scope: Scope) -> (Vec<Key>, bool) {
        let end = self.cache.write().end_list(&scope);
        (end.removed.into_iter().map(|(key, _)| key).collect(), end.went_back)
    }

    /// Forgets a scope, and returns what it held.
    pub fn clear(&self, scope: Scope) -> Vec<Key> {
        self.cache.write().clear(&scope).into_iter().map(|(key, _)| key).collect()
    }

    /// Begins the write of a status that was decided on at this version of the object.
    pub fn begin_report(&self, key: Key, onto: u64) -> Ticket<Key> {
        self.cache.write().begin_write(key, Some(onto))
    }

    /// Takes in the answer to it, and says what else was new.
    pub fn answer(&self, ticket: Ticket<Key>, object: &LeanPresignedUrl) -> (Answered, News) {
        let key = ticket.key().clone();
        let mut cache = self.cache.write();
        let answer = cache.answer(ticket, Box::new(Packed::of(object)));
        let news = match (&answer, cache.get(&key)) {
            (Answer::Taken(change), Some(packed)) => news(change, packed),
            _ => News::Nothing,
        };
        (Answered::from(&answer), news)
    }

    /// Every object in a scope.
    #[must_use]
    pub fn keys(&self, scope: Scope) -> Vec<Key> {
        self.cache.read().iter_scope(&scope).map(|(key, _)| key.clone()).collect()
    }

    /// When the URL that was reported is due and when it expires; `None` when none ever was.
    #[must_use]
    pub fn times(&self, key: &Key) -> Option<Times> {
        self.cache.read().get(key)?.reported.times()
    }

    /// Shows the status of every object.
    pub fn survey(&self, look: impl FnMut(&Reported)) {
        self.cache.read().iter().map(|(_, packed)| &packed.reported).for_each(look);
    }

    /// UID and version of every object.
    pub fn versions(&self) -> Vec<(Key, String, u64)> {
        let cache = self.cache.read();
        let all = cache.iter().map(|(key, o)| (key.clone(), o.uid.to_string(), o.resource_version));
        all.collect()
    }
}

fn news(change: &Change<Box<Packed>>, packed: &Packed) -> News {
    match change {
        Change::Known => News::Nothing,
        Change::Inserted => News::Object,
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
            reported: Reported::pack(&object.status),
        }
    }

    fn news_since(&self, before: &Self) -> News {
        let inputs = |packed: &Self| (packed.generation, packed.deleted.is_some());
        let is_same = self.uid == before.uid
            && self.renew == before.renew
            && inputs(self) == inputs(before)
            && self.spec == before.spec;
        match (is_same, self.reported == before.reported) {
            (false, _) => News::Object,
            (true, false) => News::Status,
            (true, true) => News::Nothing,
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
            status: self.reported.outline(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(version: u64, changes: &[(&str, Value)]) -> LeanPresignedUrl {
        let mut object = json!({
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "generation": 1},
            "spec": {"bucket": "b12", "key": "k", "s3": {"region": "r", "credentialsSecretRef": {"name": "c"}}},
            "status": {"observedGeneration": -1},
        });
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        for (pointer, value) in changes {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[field] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn all() -> Objects {
        Objects::new(Scopes::new(&[]))
    }

    #[test]
    fn tells_what_is_new() {
        let annotated = json!({"presign.dev/renew": "t"});
        for (change, expected) in [
            (("/metadata/labels", json!({"a": "b"})), News::Nothing),
            (("/metadata/annotations", json!({"a": "b"})), News::Nothing),
            (("/status/secretName", json!("a")), News::Status),
            (("/metadata/generation", json!(2)), News::Object),
            (("/metadata/annotations", annotated), News::Object),
            (("/metadata/uid", json!("u-2")), News::Object),
            (("/metadata/deletionTimestamp", json!("2030-01-02T03:04:05Z")), News::Object),
            (("/spec", json!(7)), News::Object),
        ] {
            let objects = all();
            assert_eq!(objects.observe(&object(1, &[])).1, News::Object);
            assert_eq!(objects.observe(&object(2, std::slice::from_ref(&change))).1, expected, "{change:?}");
        }
    }

    #[test]
    fn the_newer_one_stays() {
        let objects = all();
        let (key, _) = objects.observe(&object(5, &[]));
        assert_eq!(objects.observe(&object(4, &[("/metadata/generation", json!(0))])).1, News::Nothing);
        assert_eq!(objects.get(&key).unwrap().metadata.generation, Some(1));
        assert!(!objects.observe_deleted(&key, 4), "it was created again since");
        assert!(objects.observe_deleted(&key, 5) && !objects.contains(&key));
    }

    #[test]
    fn what_passes_look_at_comes_back_as_it_was() {
        let renew = json!({"presign.dev/renew": "t"});
        for changes in
            [vec![], vec![("/metadata/annotations", renew)], vec![("/spec", json!({"bucket": []}))]]
        {
            let (objects, before) = (all(), object(3, &changes));
            let (key, _) = objects.observe(&before);
            let after = objects.get(&key).unwrap();
            assert_eq!(format!("{after:?}"), format!("{before:?}"));
        }
    }
}
