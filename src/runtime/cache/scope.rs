//! One scope of a cache: its entries, and the list that is under way.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::{Change, ListEnd, Versioned};

pub(super) struct ScopeEntries<K, V> {
    pub entries: HashMap<K, V>,
    /// The highest version that the watch or an answer showed.
    pub highest: u64,
    /// The highest version that the watch showed.
    highest_watched: u64,
    list: Option<List<K>>,
}

/// A list under way.
struct List<K> {
    /// The keys in the cache that the list has not shown yet.
    unlisted: HashSet<K>,
    is_restored: bool,
}

impl<K, V> Default for ScopeEntries<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), highest: 0, highest_watched: 0, list: None }
    }
}

impl<K: Clone + Eq + Hash, V: Versioned> ScopeEntries<K, V> {
    /// Notes that the watch showed a version of an object.
    pub fn shown(&mut self, key: &K, version: u64) {
        // A list is at least as new as all that the watch showed before. A higher version came with an
        // answer, and the list can be older than that answer.
        let is_behind = |held: &V| version < held.version() && held.version() <= self.highest_watched;
        let is_behind = self.entries.get(key).is_some_and(is_behind);
        self.raise(version);
        if let Some(list) = &mut self.list {
            list.unlisted.remove(key);
            list.is_restored |= is_behind;
        }
    }

    /// Notes that the watch showed a version.
    pub fn raise(&mut self, version: u64) {
        self.highest = self.highest.max(version);
        self.highest_watched = self.highest_watched.max(version);
    }

    /// Stores a value from the watch, unless the held one is as new.
    pub fn take(&mut self, key: K, value: V) -> Change<V> {
        match self.entries.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(value);
                Change::Inserted
            }
            Entry::Occupied(mut entry) if entry.get().version() < value.version() => {
                Change::Replaced(entry.insert(value))
            }
            Entry::Occupied(_) => Change::Nothing,
        }
    }

    /// Stores a value from an answer, unless the held one is as new.
    pub fn answered(&mut self, key: K, value: V) -> Change<V> {
        // The object may have been deleted before the list was requested. The watch then shows no
        // deletion, so the end of the list has to remove the object.
        if let Some(list) = &mut self.list
            && !self.entries.contains_key(&key)
        {
            list.unlisted.insert(key.clone());
        }
        self.take(key, value)
    }

    /// Removes a value unless it is newer than `version`.
    pub fn remove(&mut self, key: &K, version: u64) -> Option<V> {
        self.entries.get(key).filter(|held| held.version() <= version)?;
        let removed = self.entries.remove(key);
        self.shrink();
        removed
    }

    pub fn begin_list(&mut self) {
        let unlisted = self.entries.keys().cloned().collect();
        self.list = Some(List { unlisted, is_restored: false });
    }

    pub fn end_list(&mut self) -> ListEnd<K, V> {
        let Some(list) = self.list.take() else {
            return ListEnd { removed: Vec::new(), is_restored: false };
        };
        let removed = list.unlisted.iter().filter_map(|key| self.entries.remove_entry(key)).collect();
        self.shrink();
        ListEnd { removed, is_restored: list.is_restored }
    }

    /// Frees memory after most keys were removed.
    fn shrink(&mut self) {
        if self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }
}
