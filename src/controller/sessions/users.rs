//! Who uses which session. What CSI volumes use is counted, because no object in the cluster bounds it.

use std::collections::HashMap;
use std::sync::Arc;

use super::volumes::is_volume;
use crate::domain::session::SessionKey;
use crate::runtime::Key;

/// How many different sessions the volumes of a namespace may use at a time.
pub(super) const MAX_OF_VOLUMES: usize = 4000;

/// The sessions by their users.
#[derive(Debug, Default)]
pub(super) struct SessionUsers {
    sessions: HashMap<Key, Arc<SessionKey>>,
    /// How many of the users stand for volumes, by namespace.
    volumes: HashMap<String, usize>,
}

impl SessionUsers {
    pub(super) fn get(&self, user: &Key) -> Option<&Arc<SessionKey>> {
        self.sessions.get(user)
    }

    pub(super) fn contains_key(&self, user: &Key) -> bool {
        self.sessions.contains_key(user)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.volumes.is_empty()
    }

    /// Whether there is room for a user.
    pub(super) fn has_capacity(&self, user: &Key) -> bool {
        let count = || self.volumes.get(user.namespace()).copied().unwrap_or_default();
        !is_volume(user) || self.contains_key(user) || count() < MAX_OF_VOLUMES
    }

    pub(super) fn insert(&mut self, user: Key, session: Arc<SessionKey>) {
        if is_volume(&user) && !self.contains_key(&user) {
            *self.volumes.entry(user.namespace().to_owned()).or_default() += 1;
        }
        self.sessions.insert(user, session);
    }

    pub(super) fn remove(&mut self, user: &Key) -> Option<Arc<SessionKey>> {
        let session = self.sessions.remove(user)?;
        if is_volume(user)
            && let Some(count) = self.volumes.get_mut(user.namespace())
        {
            *count -= 1;
            if *count == 0 {
                self.volumes.remove(user.namespace());
            }
        }
        Some(session)
    }
}
