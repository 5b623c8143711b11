//! The sessions that URLs are signed with: in memory only, one for all requests that may share it.
//!
//! A reconcile never waits for an STS. It takes a session that is at hand, or asks for one and ends; `requests`
//! gets the session and wakes the object.

mod accounts;
mod attempt;
mod bases;
mod failure;
mod obtain;
mod requests;
mod tokens;
mod wanted;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;

use self::accounts::Accounts;
use self::attempt::FailedRequest;
use self::bases::BaseSessions;
pub use self::failure::SessionFailure;
pub use self::obtain::{SessionWish, obtain};
pub use self::requests::request_sessions;
use self::tokens::CheckedAudiences;
use self::wanted::{LIMITS, WantedSession};
use crate::domain::Credentials;
use crate::domain::session::{SessionKey, SessionNeed, SessionOwner, is_reusable};
use crate::runtime::Key;
use crate::runtime::lock::Lock;
use crate::runtime::schedule::TurnQueue;
use crate::sts::Session;

/// How long a session must last to be used instead of one that cannot be got, in seconds.
const LEAST_LEFT: i64 = 60;

/// The sessions, and who waits for which.
#[derive(Default)]
pub struct Sessions {
    cache: Lock<SessionCache>,
    asked: Notify,
    accounts: Accounts,
    bases: BaseSessions,
    audiences: CheckedAudiences,
}

struct SessionCache {
    entries: HashMap<Arc<SessionKey>, SessionEntry>,
    by_object: HashMap<Key, Arc<SessionKey>>,
    queue: TurnQueue<WantedSession>,
    /// Why the ServiceAccount of a signer, by the UID of the signer, cannot be used.
    accounts: HashMap<String, SessionFailure>,
}

/// What is known of one session.
#[derive(Default)]
struct SessionEntry {
    session: Option<Session>,
    failure: Option<FailedRequest>,
    /// How many sessions were got. Another number ends the backoff of the objects that use them.
    count: u64,
    /// Since when a session is being requested.
    asked: Option<Timestamp>,
    /// The objects that use it.
    users: BTreeSet<Key>,
    /// Those of them that wait for the answer.
    waiting: BTreeSet<Key>,
}

/// What there is instead of waiting.
enum FoundSession {
    /// A session that serves the URL.
    Ready(Credentials),
    /// None could be got, and it is not tried again yet.
    Failed(SessionFailure),
    /// One was asked for at this time. The object is woken when it is there.
    Pending(Timestamp),
}

impl Default for SessionCache {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            by_object: HashMap::new(),
            queue: TurnQueue::new(LIMITS),
            accounts: HashMap::new(),
        }
    }
}

impl Sessions {
    /// A session for the URL of an object, or why there is none now. Asks for one if none serves.
    fn find(&self, object: &Key, wanted: WantedSession, need: SessionNeed, now: Timestamp) -> FoundSession {
        let mut cache = self.cache.write();
        let cache = &mut *cache;
        cache.set_user(object, Some(&wanted.key));
        let Some(entry) = cache.entries.get_mut(&wanted.key) else { return FoundSession::Pending(now) };
        let held = entry.session.as_ref();
        let serves = |Session { credentials, begun }: &&Session| {
            credentials.expiration.is_some_and(|end| is_reusable(*begun, end, need, now))
        };
        if let Some(session) = held.filter(serves) {
            return FoundSession::Ready(session.credentials.clone());
        }
        if let Some(since) = entry.asked {
            entry.waiting.insert(object.clone());
            return FoundSession::Pending(since);
        }
        if let Some(past) = entry.failure.as_ref().filter(|past| past.is_on(now)) {
            // A shorter URL is better than none, but not than the one that is there.
            let left = |session: &&Session| session.left(now) >= LEAST_LEFT && need.longer_than.is_none();
            return match held.filter(left) {
                Some(session) => FoundSession::Ready(session.credentials.clone()),
                None => FoundSession::Failed(past.failure.clone()),
            };
        }
        entry.asked = Some(now);
        entry.waiting.insert(object.clone());
        cache.queue.push(wanted);
        self.asked.notify_one();
        FoundSession::Pending(now)
    }

    /// The next session to request; waits until there is one.
    async fn next_wanted(&self) -> WantedSession {
        loop {
            if let Some(wanted) = self.cache.write().next() {
                return wanted;
            }
            self.asked.notified().await;
        }
    }

    /// Takes in the answer to a request, and returns the objects to wake.
    fn answered(
        &self,
        wanted: &WantedSession,
        answer: Result<Session, SessionFailure>,
        now: Timestamp,
    ) -> BTreeSet<Key> {
        let mut cache = self.cache.write();
        cache.queue.ended(wanted);
        // Others may be waiting for this turn.
        self.asked.notify_one();
        let Some(entry) = cache.entries.get_mut(&wanted.key) else { return BTreeSet::new() };
        entry.asked = None;
        let mut woken = std::mem::take(&mut entry.waiting);
        match answer.and_then(|session| session.for_use(now)) {
            Ok(session) => {
                entry.session = Some(session);
                entry.count += 1;
                if entry.failure.take().is_some() {
                    woken.extend(entry.users.iter().cloned());
                }
            }
            // Whoever leads next asks again.
            Err(SessionFailure::NotLeading) => {}
            Err(failure) => {
                let count = entry.failure.as_ref().map_or(0, |past| past.count) + 1;
                entry.failure = Some(FailedRequest::new(failure, count, now));
            }
        }
        if entry.users.is_empty() {
            cache.entries.remove(&wanted.key);
        }
        woken
    }

    /// How many sessions were got of those that an object uses.
    #[must_use]
    pub fn count(&self, object: &Key) -> u64 {
        let cache = self.cache.read();
        cache.by_object.get(object).and_then(|key| cache.entries.get(key)).map_or(0, |entry| entry.count)
    }

    /// Forgets that an object uses a session, and returns whether a failure went with it. A session that
    /// no object uses is dropped.
    pub fn forget(&self, object: &Key) -> bool {
        self.cache.read().by_object.contains_key(object) && self.cache.write().set_user(object, None)
    }

    /// Notes whether the ServiceAccount of a signer, by the UID of the signer, can be used, and returns
    /// whether that is new.
    fn note_account(&self, signer: &str, failure: Option<&SessionFailure>) -> bool {
        if self.cache.read().accounts.get(signer) == failure {
            return false;
        }
        let accounts = &mut self.cache.write().accounts;
        match failure {
            Some(failure) => drop(accounts.insert(signer.to_owned(), failure.clone())),
            None => drop(accounts.remove(signer)),
        }
        true
    }

    /// Why a signer, by its UID, gets no sessions: its ServiceAccount cannot be used, or its last request
    /// failed. What concerns one namespace alone, which uses a ServiceAccount of its own, is not meant.
    #[must_use]
    pub fn failure_of(&self, signer: &str) -> Option<SessionFailure> {
        let cache = self.cache.read();
        if let Some(failure) = cache.accounts.get(signer) {
            return Some(failure.clone());
        }
        let is_its = |key: &SessionKey| matches!(&key.owner, SessionOwner::Signer(uid) if uid == signer);
        let entries = || cache.entries.iter().filter(|(key, _)| is_its(key)).map(|(_, entry)| entry);
        let last = entries().filter_map(|entry| entry.failure.as_ref()).max_by_key(|past| past.since)?;
        // Another session of it was got since.
        let begun = entries().filter_map(|entry| Some(entry.session.as_ref()?.begun)).max();
        let is_over = begun.is_some_and(|begun| begun > last.since);
        (!is_over).then(|| last.failure.clone())
    }

    /// When the sessions at hand expire, by where they come from.
    #[must_use]
    pub fn expirations(&self) -> Vec<(&'static str, Timestamp)> {
        let cache = self.cache.read();
        let session = |(key, entry): (&Arc<SessionKey>, &SessionEntry)| {
            let end = entry.session.as_ref()?.credentials.expiration?;
            Some((key.source.kind(), end))
        };
        cache.entries.iter().filter_map(session).collect()
    }

    /// Drops the sessions that have expired, or all of them. Their users ask again when they need one.
    fn sweep(&self, now: Timestamp, is_leading: bool) {
        self.bases.sweep(now, is_leading);
        let mut cache = self.cache.write();
        let SessionCache { entries, by_object, .. } = &mut *cache;
        entries.retain(|_, entry| {
            let is_over = entry.session.as_ref().is_none_or(|session| session.left(now) <= 0);
            let is_idle = entry.asked.is_none() && entry.failure.is_none();
            let is_dropped = entry.asked.is_none() && !is_leading || is_idle && is_over;
            if is_dropped {
                entry.users.iter().for_each(|user| drop(by_object.remove(user)));
            }
            !is_dropped
        });
    }
}

impl SessionCache {
    /// The next session to request. One that no object uses any more is not.
    fn next(&mut self) -> Option<WantedSession> {
        while let Some(wanted) = self.queue.pop(|_| true) {
            match self.entries.get(&wanted.key) {
                Some(entry) if !entry.users.is_empty() => return Some(wanted),
                _ => {
                    self.entries.remove(&wanted.key);
                    self.queue.ended(&wanted);
                }
            }
        }
        None
    }

    /// Records which session an object uses, and returns whether a failure went with the one before.
    fn set_user(&mut self, object: &Key, key: Option<&Arc<SessionKey>>) -> bool {
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
            if entry.users.is_empty() && entry.asked.is_none() {
                had_failure = entry.failure.is_some();
                self.entries.remove(&before);
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

#[cfg(test)]
mod tests;
