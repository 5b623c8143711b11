//! Which `PresignedUrl`s look at which Secret, so that a change of the Secret wakes them.
//!
//! Each pass says anew what its object looks at: its credentials, and a target that
//! stands in its way.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use super::facts::SecretKey;

/// The index, both ways.
#[derive(Debug, Default)]
pub struct Dependents {
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    /// Secret → names of the objects in its namespace that look at it.
    by_secret: HashMap<SecretKey, BTreeSet<String>>,
    /// Object (namespace, name) → names of the Secrets that it looks at.
    by_object: HashMap<SecretKey, BTreeSet<String>>,
}

impl Dependents {
    /// Says that the object called `name` looks at these Secrets of its namespace, and at
    /// no others.
    pub fn set(&self, namespace: &str, name: &str, secrets: &BTreeSet<String>) {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let object = SecretKey::new(namespace, name);
        if index.by_object.get(&object) == Some(secrets) {
            return;
        }
        for gone in index.by_object.remove(&object).unwrap_or_default() {
            let key = SecretKey::new(namespace, &gone);
            if let Some(objects) = index.by_secret.get_mut(&key) {
                objects.remove(name);
                if objects.is_empty() {
                    index.by_secret.remove(&key);
                }
            }
        }
        for secret in secrets {
            index.by_secret.entry(SecretKey::new(namespace, secret)).or_default().insert(name.to_owned());
        }
        if !secrets.is_empty() {
            index.by_object.insert(object, secrets.clone());
        }
    }

    /// Names of the objects that look at a Secret.
    #[must_use]
    pub fn of(&self, secret: &SecretKey) -> Vec<String> {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        index.by_secret.get(secret).into_iter().flatten().cloned().collect()
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
