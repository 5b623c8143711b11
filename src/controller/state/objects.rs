//! The `PresignedUrl`s, packed: what the watch shows and what our own reports returned,
//! whichever is newer.
//!
//! kube's store would do, but its shape costs three times the memory; see `docs/scaling.md`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{PoisonError, RwLock};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::ObjectMeta;

use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::state::packed_status::Reported;
use crate::crd::names::ANNOTATION_RENEW;
use crate::domain::stored::resource_version;
use crate::runtime::key::{Key, Uid};

/// All objects that are looked after.
#[derive(Debug, Default)]
pub struct Objects {
    known: RwLock<HashMap<Key, Box<Packed>>>,
}

/// What was new about an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum News {
    /// Nothing that a pass looks at.
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
    /// The spec as JSON, or why it cannot be read.
    spec: Result<Box<str>, Box<str>>,
    reported: Reported,
}

impl Objects {
    /// An object, without the texts of its status; see [`Reported::outline`].
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<LeanPresignedUrl> {
        self.read().get(key).map(|packed| packed.unpack(key))
    }

    /// Whether there is such an object.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        self.read().contains_key(key)
    }

    /// The status that an object has as far as is known.
    #[must_use]
    pub fn reported(&self, key: &Key) -> Option<Reported> {
        self.read().get(key).map(|packed| packed.reported.clone())
    }

    /// Takes in an object as a watch or an answer showed it, unless something newer is
    /// known, and says what was new.
    pub fn learn(&self, object: &LeanPresignedUrl) -> (Key, News) {
        let key = Key::from(object);
        let version = resource_version(object.metadata.resource_version.as_deref());
        // Most of what a watch shows was known from the answer to our own report.
        if let Some((key, known)) = self.read().get_key_value(&key)
            && known.resource_version >= version
        {
            return (key.clone(), News::Nothing);
        }
        let packed = Packed::of(object);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match known.entry(key) {
            Entry::Vacant(entry) => {
                let key = entry.key().clone();
                entry.insert(Box::new(packed));
                (key, News::Object)
            }
            Entry::Occupied(mut entry) => {
                let before = entry.get_mut();
                let mut news = News::Nothing;
                if before.resource_version < packed.resource_version {
                    news = packed.news_since(before);
                    **before = packed;
                }
                (entry.key().clone(), news)
            }
        }
    }

    /// Drops an object that was gone at `resource_version`, and says whether it was there.
    pub fn forget(&self, key: &Key, resource_version: u64) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let is_older = known.get(key).is_some_and(|packed| packed.resource_version <= resource_version);
        is_older && known.remove(key).is_some()
    }

    /// Every object in `namespace`; in all when `None`.
    #[must_use]
    pub fn keys(&self, namespace: Option<&str>) -> Vec<Key> {
        let in_scope = |key: &&Key| namespace.is_none_or(|namespace| key.namespace() == namespace);
        self.read().keys().filter(in_scope).cloned().collect()
    }

    /// When the URL of an object expires, in seconds; `None` when there is no URL.
    #[must_use]
    pub fn expiration(&self, key: &Key) -> Option<i64> {
        self.read().get(key)?.reported.expiration()
    }

    /// Shows the status of every object.
    pub fn survey(&self, look: impl FnMut(&Reported)) {
        self.read().values().map(|packed| &packed.reported).for_each(look);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Key, Box<Packed>>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
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
            spec: match &object.spec {
                Ok(spec) => serde_json::to_string(spec).map(Into::into).map_err(|e| e.to_string().into()),
                Err(why) => Err(why.as_str().into()),
            },
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
            spec: match &self.spec {
                Ok(spec) => serde_json::from_str(spec).map_err(|error| error.to_string()),
                Err(why) => Err(why.to_string()),
            },
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
            let objects = Objects::default();
            assert_eq!(objects.learn(&object(1, &[])).1, News::Object);
            assert_eq!(objects.learn(&object(2, std::slice::from_ref(&change))).1, expected, "{change:?}");
        }
    }

    #[test]
    fn the_newer_one_stays() {
        let objects = Objects::default();
        let (key, _) = objects.learn(&object(5, &[]));
        assert_eq!(objects.learn(&object(4, &[("/metadata/generation", json!(0))])).1, News::Nothing);
        assert_eq!(objects.get(&key).unwrap().metadata.generation, Some(1));
        assert!(!objects.forget(&key, 4), "it was created again since");
        assert!(objects.forget(&key, 5) && !objects.contains(&key));
    }

    #[test]
    fn what_passes_look_at_comes_back_as_it_was() {
        let renew = json!({"presign.dev/renew": "t"});
        for changes in
            [vec![], vec![("/metadata/annotations", renew)], vec![("/spec", json!({"bucket": []}))]]
        {
            let (objects, before) = (Objects::default(), object(3, &changes));
            let (key, _) = objects.learn(&before);
            let after = objects.get(&key).unwrap();
            assert_eq!(format!("{after:?}"), format!("{before:?}"));
        }
    }
}
