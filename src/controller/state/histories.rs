//! The histories of the objects that are not at rest.

use std::collections::HashMap;

use crate::domain::history::History;
use crate::runtime::key::{Key, Uid};
use crate::runtime::lock::Lock;

/// One history for each object that is not at rest.
#[derive(Debug, Default)]
pub struct Histories {
    by_object: Lock<HashMap<Key, (Uid, History)>>,
}

impl Histories {
    /// The history of the object with this UID; the default when it is at rest.
    #[must_use]
    pub fn get(&self, key: &Key, uid: &str) -> History {
        let all = self.by_object.read();
        let known = all.get(key).filter(|(of, _)| *of == Uid::from(uid));
        known.map(|(_, history)| history.clone()).unwrap_or_default()
    }

    /// Stores the history of an object, or removes it when the object is at rest.
    pub fn set(&self, key: &Key, uid: &str, history: History) {
        let mut all = self.by_object.write();
        if history.is_at_rest() {
            all.remove(key);
            if all.len() < all.capacity() / 4 {
                all.shrink_to_fit();
            }
        } else {
            all.insert(key.clone(), (Uid::from(uid), history));
        }
    }

    /// Removes the history of an object that is gone.
    pub fn remove(&self, key: &Key) {
        self.by_object.write().remove(key);
    }
}
