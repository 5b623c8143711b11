//! The sessions at hand, who uses which, and which are to be requested.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::SessionFailure;
use super::budget::HeldBytes;
use super::certificates::SharedCertificates;
use super::failed_request::FailedRequest;
use super::users::SessionUsers;
use super::wanted::{LIMITS, WantedSession};
use crate::domain::Credentials;
use crate::domain::session::{SessionKey, SessionNeed, is_better_than_none, is_reusable};
use crate::domain::signer::SignerId;
use crate::runtime::Key;
use crate::runtime::schedule::CallQueue;
use crate::sts::Session;

/// The sessions, and who uses which.
pub(super) struct SessionCache {
    pub(super) entries: HashMap<Arc<SessionKey>, SessionEntry>,
    pub(super) by_object: SessionUsers,
    pub(super) queue: CallQueue<WantedSession>,
    /// The certificates of those that wait, by flow.
    pub(super) certificates: HashMap<String, SharedCertificates>,
    pub(super) held: HeldBytes,
    /// Why the ServiceAccount of a signer cannot be used, with the UID and the generation that this is about, and
    /// when a volume was told so last.
    pub(super) accounts: HashMap<SignerId, ((String, i64, SessionFailure), Option<Timestamp>)>,
}

/// What is known of one session.
#[derive(Default)]
pub(super) struct SessionEntry {
    pub(super) session: Option<Session>,
    /// What the session takes, in bytes.
    pub(super) bytes: usize,
    pub(super) failure: Option<FailedRequest>,
    /// How many sessions were got. Another number ends the backoff of the objects that use them.
    pub(super) count: u64,
    /// Since when a session is being requested.
    pub(super) requested_at: Option<Timestamp>,
    /// The objects that use it.
    pub(super) users: BTreeSet<Key>,
    /// Those of them that wait for the answer.
    pub(super) waiting: BTreeSet<Key>,
}

impl SessionEntry {
    /// The session, if it serves the URL.
    pub(super) fn reusable(&self, need: SessionNeed, now: Timestamp) -> Option<&Credentials> {
        let Session { credentials, begun } = self.session.as_ref()?;
        is_reusable(*begun, credentials.expiration?, need, now).then_some(credentials)
    }

    /// The session, if it is better than none.
    pub(super) fn fallback(&self, need: SessionNeed, now: Timestamp) -> Option<&Credentials> {
        let credentials = &self.session.as_ref()?.credentials;
        is_better_than_none(credentials.expiration?, need, now).then_some(credentials)
    }
}

impl Default for SessionCache {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            by_object: SessionUsers::default(),
            queue: CallQueue::new(LIMITS),
            certificates: HashMap::new(),
            held: HeldBytes::default(),
            accounts: HashMap::new(),
        }
    }
}

impl SessionCache {
    /// Adds a session to those to request.
    ///
    /// # Errors
    /// The failure of the last request during its backoff; [`SessionFailure::TooManyCertificates`] if there is no room
    /// for those of the STS.
    pub(super) fn request(
        &mut self,
        object: &Key,
        mut wanted: WantedSession,
        now: Timestamp,
    ) -> Result<(), SessionFailure> {
        let entry = self.entries.entry(wanted.key.clone()).or_default();
        if let Some(past) = entry.failure.as_ref().filter(|past| past.is_on(now)) {
            return Err(past.failure.clone());
        }
        if let (Some(digest), Some(text)) = (&wanted.key.ca_bundle, &wanted.ca_bundle) {
            let of_flow = self.certificates.entry(wanted.flow.clone()).or_default();
            let shared = of_flow.share(digest, text).ok_or(SessionFailure::TooManyCertificates)?;
            wanted.ca_bundle = Some(shared);
        }
        entry.requested_at = Some(now);
        entry.waiting.insert(object.clone());
        self.queue.push(wanted);
        Ok(())
    }

    /// The next session to request. One that no object uses any more is not.
    pub(super) fn next(&mut self) -> Option<WantedSession> {
        while let Some(wanted) = self.queue.pop(|_| true) {
            match self.entries.get(&wanted.key) {
                Some(entry) if !entry.users.is_empty() => return Some(wanted),
                _ => {
                    self.remove(&wanted.key);
                    self.ended(&wanted);
                }
            }
        }
        None
    }

    /// Notes that a request ended, or is not made any more.
    pub(super) fn ended(&mut self, wanted: &WantedSession) {
        self.queue.ended(wanted);
        if let Some(of_flow) = self.certificates.get_mut(&wanted.flow)
            && of_flow.ended(wanted.key.ca_bundle.as_ref())
        {
            self.certificates.remove(&wanted.flow);
        }
    }

    /// Takes in the answer to a request, and returns the objects to wake.
    pub(super) fn take_in(
        &mut self,
        wanted: &WantedSession,
        answer: Result<Session, SessionFailure>,
        now: Timestamp,
    ) -> BTreeSet<Key> {
        self.ended(wanted);
        let Some(entry) = self.entries.get_mut(&wanted.key) else { return BTreeSet::new() };
        entry.requested_at = None;
        let mut woken = std::mem::take(&mut entry.waiting);
        match answer.and_then(|session| session.for_use(now)) {
            Ok(session) => {
                entry.count += 1;
                if entry.failure.take().is_some() {
                    woken.extend(entry.users.iter().cloned());
                }
                self.store(&wanted.key, session);
            }
            // Whoever leads next asks again.
            Err(SessionFailure::NotLeading) => {}
            Err(failure) => {
                let before = entry.failure.as_ref().filter(|past| !past.is_of_earlier_term);
                let count = before.map_or(0, |past| past.count) + 1;
                entry.failure = Some(FailedRequest::new(failure, count, now));
            }
        }
        if self.entries.get(&wanted.key).is_some_and(|entry| entry.users.is_empty()) {
            self.remove(&wanted.key);
        }
        woken
    }

    /// Records which session an object uses, and returns whether a failure went with the one before.
    pub(super) fn set_user(&mut self, object: &Key, key: Option<&Arc<SessionKey>>) -> bool {
        let before = self.by_object.get(object);
        if before == key {
            return false;
        }
        let mut had_failure = false;
        if let Some(before) = self.by_object.remove(object)
            && let Some(entry) = self.entries.get_mut(&before)
        {
            entry.users.remove(object);
            entry.waiting.remove(object);
            if entry.users.is_empty() && entry.requested_at.is_none() {
                had_failure = entry.failure.is_some();
                self.remove(&before);
            }
        }
        let Some(key) = key else { return had_failure };
        let known = self.entries.get_key_value(key).map(|(known, _)| known.clone());
        let key = known.unwrap_or_else(|| key.clone());
        self.entries.entry(key.clone()).or_default().users.insert(object.clone());
        self.by_object.insert(object.clone(), key);
        had_failure
    }
}
