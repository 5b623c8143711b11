//! The sessions that URLs are signed with: in memory only, one for all requests that may share it.
//!
//! A reconcile never waits for an STS. It takes a session that is at hand, or asks for one and ends; `requests`
//! gets the session and wakes the object.

mod accounts;
mod bases;
mod budget;
mod cache;
mod certificates;
mod failed_request;
mod failure;
mod obtain;
mod requests;
mod tokens;
mod users;
mod volumes;
mod wanted;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;

use self::accounts::Accounts;
use self::bases::BaseSessions;
use self::cache::{SessionCache, SessionEntry};
pub use self::failure::SessionFailure;
pub use self::obtain::{SessionWish, obtain};
pub use self::requests::request_sessions;
use self::tokens::CheckedAudiences;
use self::volumes::is_volume;
pub use self::volumes::session_for_volume;
use self::wanted::WantedSession;
use crate::domain::Credentials;
use crate::domain::session::{SessionKey, SessionNeed, SessionOwner};
use crate::domain::signer::{ParsedSigner, SignerId};
use crate::runtime::Key;
use crate::runtime::lock::Lock;
use crate::sts::Session;

/// After how many seconds without an answer a session at hand is used that is not as good.
const FALLBACK_AFTER: i64 = 10;
/// How long a failure is known after its backoff if only volumes need the session, in seconds.
const FAILURE_KEPT: i64 = 120;

/// The sessions, and who waits for which.
#[derive(Default)]
pub struct Sessions {
    cache: Lock<SessionCache>,
    filled: Notify,
    /// Tells of each answer of an STS.
    news: Notify,
    accounts: Accounts,
    bases: BaseSessions,
    audiences: CheckedAudiences,
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

impl Sessions {
    /// A session for the URL of an object, or why there is none now. Asks for one if none serves.
    fn find(&self, object: &Key, wanted: WantedSession, need: SessionNeed, now: Timestamp) -> FoundSession {
        let mut cache = self.cache.write();
        if !cache.by_object.has_capacity(object) {
            return FoundSession::Failed(SessionFailure::TooManyVolumes);
        }
        let key = wanted.key.clone();
        cache.set_user(object, Some(&key));
        let entry = cache.entries.entry(key.clone()).or_default();
        if let Some(credentials) = entry.reusable(need, now) {
            return FoundSession::Ready(credentials.clone());
        }
        if let Some(since) = entry.requested_at {
            let is_late = now.duration_since(since).as_secs() >= FALLBACK_AFTER;
            if let Some(credentials) = entry.fallback(need, now).filter(|_| is_late) {
                return FoundSession::Ready(credentials.clone());
            }
            entry.waiting.insert(object.clone());
            return FoundSession::Pending(since);
        }
        let Err(failure) = cache.request(object, wanted, now) else {
            self.filled.notify_one();
            return FoundSession::Pending(now);
        };
        match cache.entries.get(&key).and_then(|entry| entry.fallback(need, now)) {
            Some(credentials) => FoundSession::Ready(credentials.clone()),
            None => FoundSession::Failed(failure),
        }
    }

    /// The next session to request; waits until there is one.
    async fn next_wanted(&self) -> WantedSession {
        loop {
            if let Some(wanted) = self.cache.write().next() {
                return wanted;
            }
            self.filled.notified().await;
        }
    }

    /// Takes in the answer to a request, and returns the objects to wake.
    fn answered(
        &self,
        wanted: &WantedSession,
        answer: Result<Session, SessionFailure>,
        now: Timestamp,
    ) -> BTreeSet<Key> {
        let woken = self.cache.write().take_in(wanted, answer, now);
        // Others may be waiting for this place.
        self.filled.notify_one();
        self.news.notify_waiters();
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

    /// Notes whether the ServiceAccount of a signer can be used, and returns whether that is new. `for_volume` is the
    /// time if a volume asks; the last one counts.
    fn note_account_failure(
        &self,
        signer: &ParsedSigner,
        failure: Option<&SessionFailure>,
        for_volume: Option<Timestamp>,
    ) -> bool {
        let noted = failure.map(|failure| (signer.uid.clone(), signer.generation, failure.clone()));
        let is_known =
            |cache: &SessionCache| cache.accounts.get(&signer.id).map(|(known, _)| known) == noted.as_ref();
        if is_known(&self.cache.read()) && (noted.is_none() || for_volume.is_none()) {
            return false;
        }
        let mut cache = self.cache.write();
        let is_new = !is_known(&cache);
        let accounts = &mut cache.accounts;
        match noted {
            Some(noted) => {
                let last = accounts.get(&signer.id).and_then(|(_, last)| *last);
                accounts.insert(signer.id.clone(), (noted, for_volume.or(last)));
            }
            None => drop(accounts.remove(&signer.id)),
        }
        is_new
    }

    /// Forgets what is known of the ServiceAccount of a signer that is gone.
    pub fn forget_account_failure(&self, signer: &SignerId) {
        if self.cache.read().accounts.contains_key(signer) {
            self.cache.write().accounts.remove(signer);
        }
    }

    /// Forgets what is known of the ServiceAccount of a signer that no object uses, unless a volume asked lately.
    pub fn forget_unused_account_failure(&self, signer: &SignerId, now: Timestamp) {
        let noted = self.cache.read().accounts.get(signer).and_then(|(_, for_volume)| *for_volume);
        if noted.is_none_or(|noted| !is_recent(noted, now)) {
            self.forget_account_failure(signer);
        }
    }

    /// Ends the failures that no volume met lately: they are not reported any more, and whoever asks next requests a
    /// session. Its success still wakes all of its users.
    pub fn end_failures_of_objects(&self, now: Timestamp) {
        let mut cache = self.cache.write();
        cache.accounts.retain(|_, (_, for_volume)| for_volume.is_some_and(|last| is_recent(last, now)));
        for entry in cache.entries.values_mut() {
            let is_for_volume = entry.users.iter().any(is_volume);
            if let Some(past) = &mut entry.failure {
                // A volume whose pod is gone remains a user.
                past.is_of_earlier_term = !is_for_volume || !past.is_known(FAILURE_KEPT, now);
            }
        }
    }

    /// Why a signer gets no sessions: its ServiceAccount cannot be used, or its last request failed. What
    /// concerns one namespace alone, which uses a ServiceAccount of its own, is not meant.
    #[must_use]
    pub fn failure_of(&self, signer: &ParsedSigner) -> Option<SessionFailure> {
        let cache = self.cache.read();
        if let Some(((uid, generation, failure), _)) = cache.accounts.get(&signer.id)
            && (uid, *generation) == (&signer.uid, signer.generation)
        {
            return Some(failure.clone());
        }
        let is_its = |key: &SessionKey| matches!(&key.owner, SessionOwner::Signer(uid) if *uid == signer.uid);
        let entries = || cache.entries.iter().filter(|(key, _)| is_its(key)).map(|(_, entry)| entry);
        let failures = entries().filter_map(|entry| entry.failure.as_ref());
        let last = failures.filter(|past| !past.is_of_earlier_term).max_by_key(|past| past.since)?;
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
        let SessionCache { entries, by_object, held, .. } = &mut *cache;
        entries.retain(|key, entry| {
            let is_over = entry.session.as_ref().is_none_or(|session| session.left(now) <= 0);
            let is_needed = if entry.users.iter().all(is_volume) {
                // Nobody asks again for the sake of a volume whose pod is gone.
                entry.failure.as_ref().is_some_and(|past| past.is_known(FAILURE_KEPT, now))
            } else {
                entry.failure.is_some()
            };
            let is_foreign = !is_leading && !entry.users.iter().any(is_volume);
            let is_dropped = entry.requested_at.is_none() && (is_foreign || !is_needed && is_over);
            if is_dropped {
                entry.users.iter().for_each(|user| drop(by_object.remove(user)));
                held.remove(&key.owner, entry.bytes);
            }
            !is_dropped
        });
    }
}

/// Whether a failure that a volume met is still known.
fn is_recent(failed: Timestamp, now: Timestamp) -> bool {
    now.duration_since(failed).as_secs() <= FAILURE_KEPT
}

#[cfg(test)]
mod tests;
