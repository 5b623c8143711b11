//! Which `PresignedUrl`s and signers depend on which Secret, so that a change of the Secret wakes them.
//!
//! Each reconcile records what its object depends on: the credentials, and the target if its name
//! differs from that of the object. A signer depends on its credentials.

use std::collections::{BTreeSet, HashMap};

use crate::runtime::key::Key;
use crate::runtime::lock::Lock;

/// The dependencies, indexed by Secret and by object.
#[derive(Debug, Default)]
pub struct Dependents {
    index: Lock<Index>,
}

#[derive(Debug, Default)]
struct Index {
    /// Secret → the objects that depend on it.
    by_secret: HashMap<Key, BTreeSet<Key>>,
    /// Object → the Secrets that it depends on.
    by_object: HashMap<Key, Box<[Key]>>,
}

impl Dependents {
    /// Records that an object depends on these Secrets and on no others, and returns the Secrets that it
    /// depended on before and does not any more.
    pub fn set(&self, object: &Key, secrets: &BTreeSet<Key>) -> Vec<Key> {
        let mut index = self.index.write();
        let before = index.by_object.get(object).map(Box::as_ref).unwrap_or_default();
        if before.iter().eq(secrets) {
            return Vec::new();
        }
        let before = index.by_object.remove(object).unwrap_or_default();
        for secret in &before {
            if let Some(objects) = index.by_secret.get_mut(secret) {
                objects.remove(object);
                if objects.is_empty() {
                    index.by_secret.remove(secret);
                }
            }
        }
        let looked_at: Box<[Key]> = secrets.iter().map(|secret| index.shared(secret)).collect();
        for secret in &looked_at {
            index.by_secret.entry(secret.clone()).or_default().insert(object.clone());
        }
        if !looked_at.is_empty() {
            index.by_object.insert(object.clone(), looked_at);
        }
        before.into_iter().filter(|secret| !secrets.contains(secret)).collect()
    }

    /// The objects that depend on a Secret.
    #[must_use]
    pub fn of(&self, secret: &Key) -> Vec<Key> {
        self.index.read().by_secret.get(secret).into_iter().flatten().cloned().collect()
    }

    /// How many objects depend on a Secret.
    #[must_use]
    pub fn count(&self, secret: &Key) -> usize {
        self.index.read().by_secret.get(secret).map_or(0, BTreeSet::len)
    }

    /// Whether any object depends on a Secret.
    #[must_use]
    pub fn has_any(&self, secret: &Key) -> bool {
        self.index.read().by_secret.contains_key(secret)
    }
}

impl Index {
    /// The key of a Secret. Returns the one that the index already holds, so that its memory is shared.
    fn shared(&self, key: &Key) -> Key {
        self.by_secret.get_key_value(key).map_or(key, |(known, _)| known).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_an_object_no_longer_depends_on() {
        let dependents = Dependents::default();
        let set = |name: &str, secrets: &[&str]| {
            let secrets = secrets.iter().map(|name| Key::new("n", name)).collect();
            dependents.set(&Key::new("n", name), &secrets)
        };
        let (a, b, keys) = (Key::new("n", "a"), Key::new("n", "b"), Key::new("n", "keys"));
        assert!(set("a", &["keys", "taken"]).is_empty());
        assert!(set("b", &["keys"]).is_empty());
        assert_eq!(dependents.of(&keys), [a, b]);
        assert_eq!(set("a", &["keys"]), [Key::new("n", "taken")]);
        assert!(!dependents.has_any(&Key::new("n", "taken")) && dependents.count(&keys) == 2);
        assert!(dependents.of(&Key::new("other", "keys")).is_empty());
        assert_eq!(set("a", &[]), std::slice::from_ref(&keys));
        assert_eq!(set("b", &[]), [keys]);
    }
}
