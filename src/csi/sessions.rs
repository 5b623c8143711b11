//! The sessions of a volume, which outlive an attempt to sign that fails.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::domain::session::{SessionNeed, StsRequest, is_reusable};
use crate::sts::Session;

/// The sessions of a volume, each with what was asked for. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct VolumeSessions(Arc<Mutex<Vec<(StsRequest, Session)>>>);

impl VolumeSessions {
    fn all(&self) -> MutexGuard<'_, Vec<(StsRequest, Session)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session at hand that serves a URL.
    pub(super) fn find(
        &self,
        sts_request: &StsRequest,
        need: SessionNeed,
        now: Timestamp,
    ) -> Option<Session> {
        let serves = |(known, session): &&(StsRequest, Session)| {
            let end = session.credentials.expiration;
            known == sts_request && end.is_some_and(|end| is_reusable(session.begun, end, need, now))
        };
        self.all().iter().find(serves).map(|(_, session)| session.clone())
    }

    /// Keeps a session instead of an older one.
    pub(super) fn keep(&self, sts_request: &StsRequest, session: Session) {
        let mut all = self.all();
        all.retain(|(known, _)| known != sts_request);
        all.push((sts_request.clone(), session));
    }

    /// Drops the sessions that no URL of the volume needs any more.
    pub(super) fn drop_others(&self, needed: &[&StsRequest]) {
        self.all().retain(|(known, _)| needed.contains(&known));
    }
}
