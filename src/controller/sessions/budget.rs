//! How much memory the sessions at hand may take.
//!
//! With `narrowTo: Object` each object has a session of its own, which is used for seconds and lasts for hours.
//! Beyond the budget the oldest are dropped. A URL that is signed later costs another call of the STS.

use std::collections::HashMap;
use std::sync::Arc;

use super::cache::{SessionCache, SessionEntry};
use crate::domain::session::{SessionKey, SessionOwner};
use crate::sts::Session;

/// The budget of one owner, in bytes: more than 2,000 sessions with a policy and a token of 1 KiB each.
const OF_OWNER: usize = 8 << 20;
/// The budget of all, in bytes.
const OF_ALL: usize = 64 << 20;

/// What the sessions at hand take, in bytes.
#[derive(Debug, Default)]
pub(super) struct HeldBytes {
    of_all: usize,
    by_owner: HashMap<SessionOwner, usize>,
}

impl HeldBytes {
    pub(super) fn add(&mut self, owner: &SessionOwner, bytes: usize) {
        self.of_all += bytes;
        *self.by_owner.entry(owner.clone()).or_default() += bytes;
    }

    pub(super) fn remove(&mut self, owner: &SessionOwner, bytes: usize) {
        self.of_all -= bytes;
        if let Some(held) = self.by_owner.get_mut(owner) {
            *held -= bytes;
            if *held == 0 {
                self.by_owner.remove(owner);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.of_all == 0 && self.by_owner.is_empty()
    }

    /// An owner whose sessions are too many after those of `stored` grew, and how many bytes of them may stay.
    fn excess(&self, stored: &SessionOwner) -> Option<(SessionOwner, usize)> {
        if self.by_owner.get(stored).is_some_and(|held| *held > OF_OWNER) {
            return Some((stored.clone(), OF_OWNER / 4 * 3));
        }
        if self.of_all <= OF_ALL {
            return None;
        }
        let (owner, held) = self.by_owner.iter().max_by_key(|(_, held)| **held)?;
        Some((owner.clone(), held / 4 * 3))
    }
}

/// The bytes of a session and of its key.
fn bytes(key: &SessionKey, session: &Session) -> usize {
    let token = session.credentials.session_token.as_ref().map_or(0, |token| token.expose().len());
    let policy = key.spec.policy.as_ref().map_or(0, String::len);
    size_of::<SessionKey>() + size_of::<SessionEntry>() + token + policy
}

impl SessionCache {
    /// Stores the session of an entry, in place of the one before, and keeps the budget.
    pub(super) fn store(&mut self, key: &SessionKey, session: Session) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        self.held.remove(&key.owner, std::mem::replace(&mut entry.bytes, bytes(key, &session)));
        self.held.add(&key.owner, entry.bytes);
        entry.session = Some(session);
        self.keep_budget(&key.owner);
    }

    /// Removes an entry with its session.
    pub(super) fn remove(&mut self, key: &SessionKey) -> Option<SessionEntry> {
        let entry = self.entries.remove(key)?;
        self.held.remove(&key.owner, entry.bytes);
        Some(entry)
    }

    /// Drops a session, and its entry too unless another session is being requested.
    fn drop_session(&mut self, key: &SessionKey) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if entry.requested_at.is_some() {
            entry.session = None;
            self.held.remove(&key.owner, std::mem::take(&mut entry.bytes));
        } else if let Some(entry) = self.remove(key) {
            entry.users.iter().for_each(|user| drop(self.by_object.remove(user)));
        }
    }

    /// Drops the oldest sessions of owners that have too many. Their objects ask again when they need one.
    fn keep_budget(&mut self, stored: &SessionOwner) {
        while let Some((owner, most)) = self.held.excess(stored) {
            let of_owner = self.entries.iter().filter(|(key, _)| key.owner == owner);
            let held = of_owner.filter_map(|(key, entry)| Some((entry.session.as_ref()?.begun, key.clone())));
            let mut held: Vec<(_, Arc<SessionKey>)> = held.collect();
            held.sort_by_key(|(begun, _)| *begun);
            if held.is_empty() {
                return;
            }
            for (_, key) in held {
                if self.held.by_owner.get(&owner).is_none_or(|held| *held <= most) {
                    break;
                }
                self.drop_session(&key);
            }
        }
    }
}
