//! The last known version of every object of one kind, from the watch and from the answers
//! to our own calls. How to read a `PresignedUrl` or a Secret, locks and the API do not
//! belong here.
//!
//! An answer can arrive after the watch has shown the end of its object. So an answer
//! inserts an object only if the watch has shown neither a deletion of it nor a new list
//! since the call began; the cache keeps a register of the calls under way for that. It
//! keeps nothing about objects that it does not hold.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

mod calls;
mod scope;
#[cfg(test)]
mod tests;

use self::calls::Calls;
pub use self::calls::Ticket;
use self::scope::Scope;

/// A value that knows at which resource version it was read.
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
    Known,
    /// The key was not in the cache, and is now.
    Inserted,
    /// The value is newer than this one, which it replaced.
    Replaced(V),
}

/// What became of the answer to a call.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Answer<V> {
    /// The cache holds the value or a newer one.
    Taken(Change<V>),
    /// The object may be gone by now, so the value was dropped: look at the object again.
    Dropped,
    /// The API server was restored to an earlier state, and the value was dropped: clear
    /// every scope and begin the watches anew.
    WentBack,
}

/// What a complete list changed.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct ListEnd<K, V> {
    /// What the list did not show. It is no longer in the cache.
    pub removed: Vec<(K, V)>,
    /// Whether the list showed an older version than the watch had shown before. The API
    /// server was restored to an earlier state: clear every scope and begin the watches anew.
    pub went_back: bool,
}

/// The newest known value of each key, in scopes.
///
/// A scope is what one watch shows: everything, or one namespace of several. Each key is in
/// one scope.
///
/// # Guarantees
/// - The version held for a key never decreases, unless the key or its scope was emptied in
///   between.
/// - After the watch has shown a deletion, nothing brings that version or an older one back.
/// - When the watch has shown everything, the cache holds what the API server holds. Until
///   then a key can be missing, which means "read it", never "it does not exist".
///
/// # Caveats
/// The watch of a scope must show lists that are not older than their request, and events in
/// the order of their versions.
pub struct VersionedCache<K, V, S = usize> {
    scope_of: Box<dyn Fn(&K) -> S + Send + Sync>,
    scopes: HashMap<S, Scope<K, V>>,
    calls: Calls<K>,
}

impl<K: Clone + Eq + Hash, V: Versioned, S: Clone + Eq + Hash> VersionedCache<K, V, S> {
    /// An empty cache. `scope_of` tells the scope of a key, always the same one.
    #[must_use]
    pub fn new(scope_of: impl Fn(&K) -> S + Send + Sync + 'static) -> Self {
        Self { scope_of: Box::new(scope_of), scopes: HashMap::new(), calls: Calls::default() }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.scope(key)?.entries.get(key)
    }

    /// The value of a key, and the key as the cache keeps it.
    #[must_use]
    pub fn get_key_value(&self, key: &K) -> Option<(&K, &V)> {
        self.scope(key)?.entries.get_key_value(key)
    }

    /// The value of a key, to change what is kept besides the object. Its version must stay.
    #[must_use]
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.scopes.get_mut(&(self.scope_of)(key))?.entries.get_mut(key)
    }

    /// The version that the cache holds of a key.
    #[must_use]
    pub fn version(&self, key: &K) -> Option<u64> {
        self.get(key).map(V::version)
    }

    /// All keys and values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.scopes.values().flat_map(|scope| &scope.entries)
    }

    /// The keys and values of one scope, in no order.
    pub fn iter_scope(&self, scope: &S) -> impl Iterator<Item = (&K, &V)> {
        self.scopes.get(scope).into_iter().flat_map(|scope| &scope.entries)
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scopes.values().map(|scope| scope.entries.len()).sum()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many calls are under way: as many as there are tickets.
    #[must_use]
    pub fn calls_under_way(&self) -> usize {
        self.calls.len()
    }

    /// Takes in an object from the watch, either an event or an item of the list under way.
    pub fn observe(&mut self, key: K, value: V) -> Change<V> {
        let scope = self.scope_mut(&key);
        scope.shown(&key, value.version());
        scope.take(key, value)
    }

    /// The same for a version whose value need not be read if the cache has it. Returns
    /// whether it has it; if not, call [`observe`](Self::observe), or
    /// [`remove`](Self::remove) if the watch does not show values.
    pub fn confirm(&mut self, key: &K, version: u64) -> bool {
        let scope = self.scope_mut(key);
        scope.shown(key, version);
        scope.entries.get(key).is_some_and(|held| held.version() >= version)
    }

    /// Takes in a deletion from the watch, and returns the value that is gone. A newer value
    /// stays: the object was created again.
    pub fn observe_deleted(&mut self, key: &K, version: u64) -> Option<V> {
        self.scope_mut(key).raise(version);
        self.remove(key, version)
    }

    /// Removes a value that is known to be outdated from elsewhere than its watch, such as a
    /// conflict or the watch of another kind, if it is not newer than `version` (`u64::MAX`:
    /// whatever its version). Calls under way for the key cannot insert it again.
    pub fn remove(&mut self, key: &K, version: u64) -> Option<V> {
        self.calls.delay(|called| called == key);
        self.scope_mut(key).remove(key, version)
    }

    /// Begins a list of a scope. One that was under way has broken off, and has no effect
    /// beyond the newer versions that it showed.
    pub fn begin_list(&mut self, scope: &S) {
        self.calls.delay(|key| (self.scope_of)(key) == *scope);
        self.scopes.entry(scope.clone()).or_default().begin_list();
    }

    /// Completes the list under way: what it did not show is removed. That can include what
    /// an answer brought meanwhile. Without a list under way nothing is removed.
    pub fn end_list(&mut self, scope: &S) -> ListEnd<K, V> {
        self.calls.delay(|key| (self.scope_of)(key) == *scope);
        self.scopes.entry(scope.clone()).or_default().end_list()
    }

    /// Begins a write of ours. `onto` is the version that the write carries as its
    /// precondition; `None` for a create. Drop the ticket when there is no answer.
    pub fn begin_write(&mut self, key: K, onto: Option<u64>) -> Ticket<K> {
        // A write that changes something has a version above all that there were before.
        let floor = self.scope(&key).map_or(0, |scope| scope.highest.saturating_add(1));
        self.calls.begin(key, onto, floor)
    }

    /// Begins a read of ours, which must be a quorum read (no resource version). Drop the
    /// ticket when there is no answer, or when it serves its caller only.
    pub fn begin_read(&mut self, key: K) -> Ticket<K> {
        let held = self.version(&key).unwrap_or(0);
        self.calls.begin(key, None, held)
    }

    /// Takes in the answer to a call. It replaces an older value, but inserts only if the
    /// object cannot have been deleted since.
    pub fn answer(&mut self, ticket: Ticket<K>, value: V) -> Answer<V> {
        let (key, version) = (ticket.key().clone(), value.version());
        let (is_void, is_late, is_behind) = (ticket.is_void(), ticket.is_late(), ticket.is_behind(version));
        self.calls.end(ticket);
        if is_void {
            return Answer::Dropped;
        }
        if is_behind {
            return Answer::WentBack;
        }
        let scope = self.scope_mut(&key);
        scope.highest = scope.highest.max(version);
        if is_late && !scope.entries.contains_key(&key) {
            return Answer::Dropped;
        }
        Answer::Taken(scope.answered(key, value))
    }

    /// Empties a scope and forgets its versions, and returns what it held. Answers to calls
    /// that are under way are dropped. Stop the watch of the scope before, and begin it anew
    /// afterwards.
    pub fn clear(&mut self, scope: &S) -> Vec<(K, V)> {
        self.calls.void(|key| (self.scope_of)(key) == *scope);
        self.scopes.remove(scope).into_iter().flat_map(|scope| scope.entries).collect()
    }

    fn scope(&self, key: &K) -> Option<&Scope<K, V>> {
        self.scopes.get(&(self.scope_of)(key))
    }

    fn scope_mut(&mut self, key: &K) -> &mut Scope<K, V> {
        self.scopes.entry((self.scope_of)(key)).or_default()
    }
}

/// Counts only: values can be secret.
impl<K, V, S> fmt::Debug for VersionedCache<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: usize = self.scopes.values().map(|scope| scope.entries.len()).sum();
        f.debug_struct("VersionedCache")
            .field("keys", &keys)
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}
