//! The versioned cache: the newest known version of every object of one kind, from the watch and from
//! the answers to our own calls. Parsing, locks and API calls do not belong here.
//!
//! An answer can arrive after the watch has shown the deletion of its object. An answer therefore
//! inserts an object only if the watch has shown neither a deletion of it nor a new list since the call
//! began. The cache keeps a register of the calls under way for that. It keeps nothing about objects
//! that it does not hold.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

mod calls;
mod scope;
#[cfg(test)]
mod tests;

use self::calls::Calls;
pub use self::calls::Ticket;
use self::scope::ScopeEntries;

/// A value with the resource version at which it was read.
pub trait Versioned {
    /// The resource version. Of two values of one key, the higher one is newer.
    fn version(&self) -> u64;
}

impl<V: Versioned> Versioned for Box<V> {
    fn version(&self) -> u64 {
        (**self).version()
    }
}

/// What the watch or an answer changed.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Change<V> {
    /// Nothing: the cache held this version or a newer one.
    Nothing,
    /// The key was not in the cache, and is now.
    Inserted,
    /// The value replaced this older one.
    Replaced(V),
}

/// What the cache did with the answer to a call.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum AnswerOutcome<V> {
    /// The cache holds the value or a newer one.
    Taken(Change<V>),
    /// The value was dropped, because the object may be gone by now: reconcile the object again.
    Dropped,
    /// The value was dropped, because the API server was restored to an earlier state: clear every scope
    /// and restart the watches.
    Restored,
}

/// What a complete list changed.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct ListEnd<K, V> {
    /// The objects that the list did not show. They were removed from the cache.
    pub removed: Vec<(K, V)>,
    /// Whether the list showed an older version than the watch had shown before. The API server was then
    /// restored to an earlier state: clear every scope and restart the watches.
    pub is_restored: bool,
}

/// The newest known value of each key, in scopes.
///
/// A scope is what one watch shows: all namespaces, or one of several. Each key is in exactly one scope.
///
/// # Guarantees
/// - The version that is held for a key never decreases, unless the key was removed or its scope was
///   cleared in between.
/// - After the watch has shown a deletion, no answer inserts that version or an older one again.
/// - When the watch has shown everything, the cache holds what the API server holds. Until then a key
///   can be missing, which means "read it", never "it does not exist".
///
/// # Caveats
/// The watch of a scope must show lists that are not older than their request, and must show events in
/// the order of their versions.
pub struct VersionedCache<K, V, S = usize> {
    scope_of: Box<dyn Fn(&K) -> S + Send + Sync>,
    scopes: HashMap<S, ScopeEntries<K, V>>,
    calls: Calls<K>,
}

impl<K: Clone + Eq + Hash, V: Versioned, S: Clone + Eq + Hash> VersionedCache<K, V, S> {
    /// An empty cache. `scope_of` returns the scope of a key, which must not change.
    #[must_use]
    pub fn new(scope_of: impl Fn(&K) -> S + Send + Sync + 'static) -> Self {
        Self { scope_of: Box::new(scope_of), scopes: HashMap::new(), calls: Calls::default() }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.scope(key)?.entries.get(key)
    }

    /// The value of a key, and the key that the cache holds.
    #[must_use]
    pub fn get_key_value(&self, key: &K) -> Option<(&K, &V)> {
        self.scope(key)?.entries.get_key_value(key)
    }

    /// The value of a key, to change what is kept in addition to the object. Its version must stay.
    #[must_use]
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.scopes.get_mut(&(self.scope_of)(key))?.entries.get_mut(key)
    }

    /// The version that the cache holds of a key.
    #[must_use]
    pub fn version(&self, key: &K) -> Option<u64> {
        self.get(key).map(V::version)
    }

    /// All keys and values, in any order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.scopes.values().flat_map(|scope| &scope.entries)
    }

    /// The keys and values of one scope, in any order.
    pub fn iter_scope(&self, scope: &S) -> impl Iterator<Item = (&K, &V)> {
        self.scopes.get(scope).into_iter().flat_map(|scope| &scope.entries)
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scopes.values().map(|scope| scope.entries.len()).sum()
    }

    /// Whether the cache holds no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of calls under way, which is the number of tickets.
    #[must_use]
    pub fn calls_under_way(&self) -> usize {
        self.calls.len()
    }

    /// Stores an object from the watch, either from an event or from the list under way.
    pub fn observe(&mut self, key: K, value: V) -> Change<V> {
        let scope = self.scope_mut(&key);
        scope.shown(&key, value.version());
        scope.take(key, value)
    }

    /// The same for a version whose value need not be parsed if the cache holds it. Returns whether the
    /// cache holds that version or a newer one; if not, call [`observe`](Self::observe), or
    /// [`remove`](Self::remove) if the watch does not show values.
    pub fn confirm(&mut self, key: &K, version: u64) -> bool {
        let scope = self.scope_mut(key);
        scope.shown(key, version);
        scope.entries.get(key).is_some_and(|held| held.version() >= version)
    }

    /// Removes an object that the watch showed as deleted, and returns its value. A newer value stays,
    /// because the object was created again.
    pub fn observe_deleted(&mut self, key: &K, version: u64) -> Option<V> {
        self.scope_mut(key).raise(version);
        self.remove(key, version)
    }

    /// Removes a value that is outdated by another source than its watch, such as a conflict or the watch
    /// of another kind. A value newer than `version` stays; `u64::MAX` removes any version. Calls under
    /// way for the key cannot insert it again.
    pub fn remove(&mut self, key: &K, version: u64) -> Option<V> {
        self.calls.delay(|called| called == key);
        self.scope_mut(key).remove(key, version)
    }

    /// Begins a list of a scope. A list that was under way was interrupted. It has no effect, except for
    /// the newer versions that it showed.
    pub fn begin_list(&mut self, scope: &S) {
        self.calls.delay(|key| (self.scope_of)(key) == *scope);
        self.scopes.entry(scope.clone()).or_default().begin_list();
    }

    /// Completes the list under way, and removes the objects that it did not show. These can include
    /// objects that an answer inserted meanwhile. Without a list under way nothing is removed.
    pub fn end_list(&mut self, scope: &S) -> ListEnd<K, V> {
        self.calls.delay(|key| (self.scope_of)(key) == *scope);
        self.scopes.entry(scope.clone()).or_default().end_list()
    }

    /// Begins one of our writes. `onto` is the version that the write carries as its precondition; `None`
    /// for a create. Drop the ticket when there is no answer.
    pub fn begin_write(&mut self, key: K, onto: Option<u64>) -> Ticket<K> {
        // The answer to a write that changes something has a higher version than all before.
        let floor = self.scope(&key).map_or(0, |scope| scope.highest.saturating_add(1));
        self.calls.begin(key, onto, floor)
    }

    /// Begins one of our reads, which must be a quorum read (without a resource version). Drop the ticket
    /// when there is no answer, or when the answer is not to be stored.
    pub fn begin_read(&mut self, key: K) -> Ticket<K> {
        let held = self.version(&key).unwrap_or(0);
        self.calls.begin(key, None, held)
    }

    /// Stores the answer to a call. It replaces an older value, but it is inserted only if the object
    /// cannot have been deleted since.
    pub fn answer(&mut self, ticket: Ticket<K>, value: V) -> AnswerOutcome<V> {
        let (key, version) = (ticket.key().clone(), value.version());
        let (is_void, is_late, shows_restore) =
            (ticket.is_void(), ticket.is_late(), ticket.shows_restore(version));
        self.calls.end(ticket);
        if is_void {
            return AnswerOutcome::Dropped;
        }
        if shows_restore {
            return AnswerOutcome::Restored;
        }
        let scope = self.scope_mut(&key);
        scope.highest = scope.highest.max(version);
        if is_late && !scope.entries.contains_key(&key) {
            return AnswerOutcome::Dropped;
        }
        AnswerOutcome::Taken(scope.answered(key, value))
    }

    /// Clears a scope and its versions, and returns what it held. Answers to calls under way are dropped.
    /// Stop the watch of the scope before, and start a new one afterwards.
    pub fn clear(&mut self, scope: &S) -> Vec<(K, V)> {
        self.calls.void(|key| (self.scope_of)(key) == *scope);
        self.scopes.remove(scope).into_iter().flat_map(|scope| scope.entries).collect()
    }

    fn scope(&self, key: &K) -> Option<&ScopeEntries<K, V>> {
        self.scopes.get(&(self.scope_of)(key))
    }

    fn scope_mut(&mut self, key: &K) -> &mut ScopeEntries<K, V> {
        self.scopes.entry((self.scope_of)(key)).or_default()
    }
}

/// Shows only numbers, because values can be secret.
impl<K, V, S> fmt::Debug for VersionedCache<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: usize = self.scopes.values().map(|scope| scope.entries.len()).sum();
        f.debug_struct("VersionedCache")
            .field("keys", &keys)
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}
