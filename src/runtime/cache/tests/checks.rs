//! What must hold after each step, and when everything has been delivered.

use super::super::Change;
use super::history::{CacheHistory, SCOPES};
use super::server::{ServerObjects, Value};
use super::watches::{ModelWatch, ScopeSnapshot};

/// A change must tell what became of a value that was shown.
pub fn check_change(change: &Change<Value>, before: Option<Value>, shown: Value, after: Option<Value>) {
    match *change {
        Change::Nothing => {
            assert!(before.is_some_and(|before| before.version >= shown.version), "{shown:?} is news");
            assert_eq!(before, after);
        }
        Change::Inserted => assert_eq!((before, after), (None, Some(shown))),
        Change::Replaced(replaced) => {
            assert_eq!((before, after), (Some(replaced), Some(shown)));
            assert!(replaced.version < shown.version, "{replaced:?} is not older than {shown:?}");
        }
    }
}

impl CacheHistory {
    pub fn held(&self) -> ServerObjects {
        self.cache.iter().map(|(key, value)| (*key, *value)).collect()
    }

    /// The cache holds nothing older than before, unless it was emptied in between.
    pub fn check_newer(&self, before: &ServerObjects) {
        for (key, after) in self.held() {
            let Some(before) = before.get(&key) else { continue };
            assert!(
                *before == after || before.version < after.version,
                "{key:?}: {before:?}, then {after:?}"
            );
        }
    }

    pub fn check(&self) {
        let held = self.held();
        assert_eq!(self.cache.calls_under_way(), self.calls.len(), "the register is not the calls under way");
        let scopes = (0..SCOPES).map(|scope| self.cache.iter_scope(&scope).count());
        assert_eq!((held.len(), held.len()), (self.cache.len(), scopes.sum()));
        // A watch whose server was restored without its knowing has no past to compare with.
        if self.is_restored {
            return;
        }
        for (key, value) in &held {
            let absent = self.absent.get(key);
            assert!(absent.is_none_or(|at| value.version > *at), "{key:?} is back: {value:?}, {absent:?}");
        }
        for (scope, watch) in (0..SCOPES).zip(&self.watches) {
            if let ModelWatch::Watching(shown) = watch {
                self.check_shown(&held, scope, shown);
            }
        }
    }

    /// The cache holds what the watch has shown, or something newer.
    fn check_shown(&self, held: &ServerObjects, scope: u8, shown: &ScopeSnapshot) {
        let at = shown.revision;
        for key in super::keys().filter(|key| key.0 == scope) {
            match (shown.objects.get(&key), held.get(&key)) {
                (None, None) => {}
                (None, Some(held)) => assert!(held.version > at, "{key:?} was gone at {at}: {held:?}"),
                (Some(shown), Some(held)) => {
                    assert!(held.version > at || held == shown, "{key:?}: {held:?} instead of {shown:?}");
                }
                (Some(_), None) => assert!(self.removed.contains(&key), "{key:?} is missing"),
            }
        }
    }

    /// After everything was delivered the cache is equal to the server.
    pub fn check_quiet(&mut self) {
        let (held, mut objects) = (self.held(), self.server.objects().clone());
        objects.retain(|key, _| held.contains_key(key) || !self.removed.contains(key));
        assert_eq!(held, objects);
        assert_eq!(self.cache.calls_under_way(), 0);
        let ticket = self.cache.begin_read((0, 0));
        assert_eq!(self.cache.calls.remembered(), 1, "calls that ended are remembered");
        drop(ticket);
    }
}
