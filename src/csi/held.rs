//! The sessions of a volume, which outlive an attempt to sign that fails.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::domain::session::{Hop, SessionNeed, is_reusable};
use crate::sts::Session;

/// The sessions of a volume, each with what was asked for. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldSessions(Arc<Mutex<Vec<(Hop, Session)>>>);

impl HeldSessions {
    fn all(&self) -> MutexGuard<'_, Vec<(Hop, Session)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session at hand that serves a URL.
    pub(super) fn find(&self, hop: &Hop, need: SessionNeed, now: Timestamp) -> Option<Session> {
        let serves = |(known, session): &&(Hop, Session)| {
            let end = session.credentials.expiration;
            known == hop && end.is_some_and(|end| is_reusable(session.begun, end, need, now))
        };
        self.all().iter().find(serves).map(|(_, session)| session.clone())
    }

    /// Keeps a session instead of an older one.
    pub(super) fn keep(&self, hop: &Hop, session: Session) {
        let mut all = self.all();
        all.retain(|(known, _)| known != hop);
        all.push((hop.clone(), session));
    }

    /// Drops the sessions that no URL of the volume needs any more.
    pub(super) fn drop_others(&self, needed: &[&Hop]) {
        self.all().retain(|(known, _)| needed.contains(&known));
    }
}
