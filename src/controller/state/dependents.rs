//! Which `PresignedUrl`s look at which Secret, so that a change of the Secret wakes them.
//!
//! Each pass says anew what its object looks at: its credentials, and a target that
//! stands in its way.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::controller::state::issued_secrets::SecretKey;
use crate::runtime::key::Key;

/// The index, both ways.
#[derive(Debug, Default)]
pub struct Dependents {
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    /// Secret → the objects that look at it.
    by_secret: HashMap<Key, BTreeSet<Key>>,
    /// Object → the Secrets that it looks at.
    by_object: HashMap<Key, Box<[Key]>>,
}

impl Dependents {
    /// Says that the object called `name` looks at these Secrets of its namespace, and at
    /// no others.
    pub fn set(&self, namespace: &str, name: &str, secrets: &BTreeSet<String>) {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let object = Key::new(namespace, name);
        let before = index.by_object.get(&object).map(Box::as_ref).unwrap_or_default();
        if before.iter().map(Key::name).eq(secrets.iter().map(String::as_str)) {
            return;
        }
        for gone in index.by_object.remove(&object).unwrap_or_default() {
            if let Some(objects) = index.by_secret.get_mut(&gone) {
                objects.remove(&object);
                if objects.is_empty() {
                    index.by_secret.remove(&gone);
                }
            }
        }
        let looked_at: Box<[Key]> = secrets.iter().map(|name| index.shared(namespace, name)).collect();
        for secret in &looked_at {
            index.by_secret.entry(secret.clone()).or_default().insert(object.clone());
        }
        if !looked_at.is_empty() {
            index.by_object.insert(object, looked_at);
        }
    }

    /// Names of the objects that look at a Secret.
    #[must_use]
    pub fn of(&self, secret: &SecretKey) -> Vec<String> {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let objects = index.by_secret.get(&Key::from(secret)).into_iter().flatten();
        objects.map(|object| object.name().to_owned()).collect()
    }
}

impl Index {
    /// The key of a Secret as it stands in the index already, if it does.
    fn shared(&self, namespace: &str, name: &str) -> Key {
        let key = Key::new(namespace, name);
        self.by_secret.get_key_value(&key).map_or(key, |(known, _)| known.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_an_object_no_longer_looks_at() {
        let dependents = Dependents::default();
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        dependents.set("n", "a", &set(&["keys", "taken"]));
        dependents.set("n", "b", &set(&["keys"]));
        assert_eq!(dependents.of(&SecretKey::new("n", "keys")), ["a", "b"]);
        dependents.set("n", "a", &set(&["keys"]));
        assert!(dependents.of(&SecretKey::new("n", "taken")).is_empty());
        assert!(dependents.of(&SecretKey::new("other", "keys")).is_empty());
        dependents.set("n", "a", &set(&[]));
        dependents.set("n", "b", &set(&[]));
        assert!(dependents.of(&SecretKey::new("n", "keys")).is_empty());
    }
}
