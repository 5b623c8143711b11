//! The watches: lists in both ways that kube makes them, then events in order but late.

use super::checks::check_change;
use super::history::{CacheHistory, SCOPES};
use super::server::{ScopedName, ServerObjects, Value};

/// One watch a scope.
pub type ModelWatches = [ModelWatch; SCOPES as usize];

/// The watch of a scope.
#[derive(Default)]
pub enum ModelWatch {
    #[default]
    Off,
    /// A streamed list: its state is chosen before the client begins the list.
    Requested(ScopeSnapshot),
    /// A list in pages: the client begins it before it sends the request.
    Begun,
    Listing(ScopeSnapshot, Vec<(ScopedName, Value)>),
    Watching(ScopeSnapshot),
}

/// The state of a scope that a watch is about to show, or has shown.
pub struct ScopeSnapshot {
    pub revision: u64,
    pub objects: ServerObjects,
}

impl ModelWatch {
    fn listing(snapshot: ScopeSnapshot) -> Self {
        let unlisted = snapshot.objects.iter().map(|(key, value)| (*key, *value)).collect();
        Self::Listing(snapshot, unlisted)
    }
}

impl CacheHistory {
    pub fn break_off(&mut self, scope: u8) {
        self.watches[usize::from(scope)] = ModelWatch::Off;
    }

    /// Until all watches have shown everything.
    pub fn watch_all(&mut self) {
        for scope in 0..SCOPES {
            let steps = (1..1000).take_while(|choice| self.watch(scope, *choice)).count();
            assert!(steps < 999, "the watch never ends");
        }
    }

    /// One step of a watch; returns whether there was anything to do.
    pub fn watch(&mut self, scope: u8, choice: usize) -> bool {
        let next = match std::mem::take(&mut self.watches[usize::from(scope)]) {
            ModelWatch::Off if choice.is_multiple_of(2) => ModelWatch::Requested(self.snapshot(scope)),
            ModelWatch::Off => {
                self.begin_list(scope);
                ModelWatch::Begun
            }
            ModelWatch::Requested(snapshot) => {
                self.begin_list(scope);
                ModelWatch::listing(snapshot)
            }
            ModelWatch::Begun => ModelWatch::listing(self.snapshot(scope)),
            ModelWatch::Listing(snapshot, unlisted) if unlisted.is_empty() => {
                if self.end_list(scope, &snapshot) {
                    self.clear();
                    return true;
                }
                ModelWatch::Watching(snapshot)
            }
            ModelWatch::Listing(snapshot, mut unlisted) => {
                let (key, value) = unlisted.swap_remove(choice % unlisted.len());
                self.show(key, value, choice);
                ModelWatch::Listing(snapshot, unlisted)
            }
            ModelWatch::Watching(mut shown) => {
                let Some(event) = self.server.next(scope, shown.revision) else {
                    self.watches[usize::from(scope)] = ModelWatch::Watching(shown);
                    return false;
                };
                match event.value {
                    Some(value) => self.show(event.key, value, choice),
                    None => self.show_deleted(event.key, event.revision),
                }
                event.apply(&mut shown.objects);
                shown.revision = event.revision;
                ModelWatch::Watching(shown)
            }
        };
        self.watches[usize::from(scope)] = next;
        true
    }

    fn snapshot(&self, scope: u8) -> ScopeSnapshot {
        ScopeSnapshot { revision: self.server.revision, objects: self.server.list(scope) }
    }

    fn begin_list(&mut self, scope: u8) {
        let before = self.held();
        self.cache.begin_list(&scope);
        assert_eq!(before, self.held());
        self.delay(|key| key.0 == scope);
    }

    /// Returns whether the list went back.
    fn end_list(&mut self, scope: u8, snapshot: &ScopeSnapshot) -> bool {
        let before = self.held();
        let end = self.cache.end_list(&scope);
        self.delay(|key| key.0 == scope);
        for (key, value) in &end.removed {
            assert_eq!(before.get(key), Some(value));
            assert!(key.0 == scope && self.cache.get(key).is_none());
        }
        assert_eq!(before.len(), self.cache.len() + end.removed.len());
        assert!(self.is_restored || !end.is_restored, "the model server went back by itself");
        if !self.is_restored {
            let listed = &snapshot.objects;
            for (key, value) in &end.removed {
                assert!(!listed.contains_key(key) || self.removed.contains(key), "{value:?} was listed");
            }
            for key in super::keys().filter(|key| key.0 == scope && !listed.contains_key(key)) {
                self.absent.insert(key, snapshot.revision);
                self.removed.remove(&key);
            }
        }
        end.is_restored
    }

    fn show(&mut self, key: ScopedName, value: Value, choice: usize) {
        self.removed.remove(&key);
        self.seen(key.0, value.version);
        let before = self.cache.get(&key).copied();
        let is_known = before.is_some_and(|before| before.version >= value.version);
        if choice.is_multiple_of(3) {
            assert_eq!(self.cache.confirm(&key, value.version), is_known);
            if is_known {
                return;
            }
        }
        let change = self.cache.observe(key, value);
        check_change(&change, before, value, self.cache.get(&key).copied());
    }

    fn show_deleted(&mut self, key: ScopedName, revision: u64) {
        let before = self.cache.get(&key).copied();
        let removed = self.cache.observe_deleted(&key, revision);
        assert_eq!(removed, before.filter(|before| before.version <= revision));
        assert_eq!(self.cache.get(&key).is_none(), before.is_none() || removed.is_some());
        self.delay(|called| called == key);
        self.seen(key.0, revision);
        self.absent.insert(key, revision);
        self.removed.remove(&key);
    }
}
