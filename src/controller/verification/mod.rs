//! The questions to stores whether they accept a URL: in memory only, one for each object at most.
//!
//! A reconcile never waits for a store. It leaves a question after it wrote a URL; `requests` asks it and
//! wakes the object, which reports the answer. A question whose object is gone, or has another URL since,
//! is dropped, and so is its answer.

mod cache;
mod hosts;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::cache::StoreQuestion;
use self::cache::{AskedUrl, DueQuestion, MOST_WAITING, QueuedQuestion, VerifyCache};
pub use self::requests::{ask_stores, authority_of};
use crate::domain::verification::{Finding, NotAsked, Verify, VerifyAnswer, VerifyNews, VerifyPlace};
use crate::runtime::Key;
use crate::runtime::lock::Lock;
use crate::verify::StoreVerifier;

/// How often a question is asked while the store gives no answer, and the pauses between, in seconds.
const PAUSES: [u64; 4] = [30, 60, 120, 240];

/// The questions to stores.
pub struct Verifications {
    /// Asks the stores; `None` when the operator may ask none.
    verifier: Option<StoreVerifier>,
    cache: Lock<VerifyCache>,
    asked: Notify,
}

impl Verifications {
    /// No questions yet. Without `verifier`, none is ever asked.
    #[must_use]
    pub fn new(verifier: Option<StoreVerifier>) -> Self {
        Self { verifier, cache: Lock::default(), asked: Notify::new() }
    }

    /// Whether stores may be asked.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.verifier.is_some()
    }

    /// Notes that a URL was written, and what to ask about it, if anything. `is_renewal` says whether it
    /// replaces one with the same spec and credentials.
    pub fn issued(&self, key: &Key, uid: &str, question: Option<StoreQuestion>, is_renewal: bool) {
        let mut cache = self.cache.write();
        let cache = &mut *cache;
        cache.last_id += 1;
        let id = cache.last_id;
        let mut entry = AskedUrl {
            uid: uid.to_owned(),
            id,
            question: question.map(Arc::new),
            is_renewal,
            attempts: 0,
            answer: None,
        };
        if let Some(question) = &entry.question {
            if cache.queue.len() < MOST_WAITING {
                let authority = question.authority.clone();
                cache.queue.push(QueuedQuestion { key: key.clone(), id, authority });
                self.asked.notify_one();
            } else {
                entry.answer = Some(Box::new(overloaded(question.validity.signing_time)));
                entry.question = None;
            }
        }
        cache.entries.insert(key.clone(), entry);
    }

    /// What is known about the stored URL of an object. `when` is what its spec says; `None` when that is
    /// not valid.
    #[must_use]
    pub fn news(&self, key: &Key, uid: &str, when: Option<Verify>) -> VerifyNews {
        match when {
            None => VerifyNews::Unjudged,
            Some(Verify::None) => {
                self.forget(key);
                VerifyNews::NotWanted
            }
            Some(_) if !self.is_on() => VerifyNews::Disabled,
            Some(Verify::Once | Verify::Always) => self.known(key, uid),
        }
    }

    fn known(&self, key: &Key, uid: &str) -> VerifyNews {
        self.cache.read().known(key, uid)
    }

    /// Notes that the status of an object shows this, which then need not be kept.
    pub fn reported(&self, key: &Key, uid: &str, news: &VerifyNews) {
        if !self.cache.read().entries.contains_key(key) {
            return;
        }
        let mut cache = self.cache.write();
        // An answer may have come since the report was made.
        let is_told = cache.known(key, uid) == *news;
        let is_over = |entry: &AskedUrl| entry.uid == uid && entry.question.is_none();
        if is_told && cache.entries.get(key).is_some_and(is_over) {
            cache.entries.remove(key);
        }
    }

    /// Forgets an object, because it is gone or asks for no verification any more.
    pub fn forget(&self, key: &Key) {
        if self.cache.read().entries.contains_key(key) {
            self.cache.write().entries.remove(key);
        }
    }

    /// The next question; waits until there is one.
    async fn next(&self) -> DueQuestion {
        loop {
            let (due, pause) = self.cache.write().next(Instant::now());
            if let Some(due) = due {
                return due;
            }
            match pause {
                Some(until) => tokio::select! {
                    () = self.asked.notified() => {}
                    () = tokio::time::sleep_until(until) => {}
                },
                None => self.asked.notified().await,
            }
        }
    }

    /// Takes in an answer, and returns whether the object has to report it.
    fn answered(&self, due: &DueQuestion, answer: Option<VerifyAnswer>, now: Instant) -> bool {
        let QueuedQuestion { key, id, authority } = &due.queued;
        let mut cache = self.cache.write();
        let cache = &mut *cache;
        cache.queue.ended(&due.queued);
        // Others may be waiting for this turn.
        self.asked.notify_one();
        let outage = match &answer {
            Some(VerifyAnswer { finding: Finding::Unreachable(outage), .. }) => Some(*outage),
            _ => None,
        };
        if due.outage.is_none() && answer.is_some() {
            cache.hosts.answered(authority, outage, now);
        }
        let Some(entry) = cache.entries.get_mut(key).filter(|entry| entry.id == *id) else { return false };
        let Some(answer) = answer else {
            // Another process leads, or the URL has expired.
            cache.entries.remove(key);
            return false;
        };
        let pause = outage.and_then(|_| PAUSES.get(entry.attempts).copied());
        entry.attempts += 1;
        match pause {
            Some(pause) => {
                let then = now + Duration::from_secs(pause);
                cache.again.insert((then, key.clone(), *id));
            }
            None => entry.question = None,
        }
        let is_same = entry.answer.as_ref().is_some_and(|before| before.finding == answer.finding);
        if !is_same {
            entry.answer = Some(Box::new(answer));
        }
        !is_same || pause.is_none()
    }
}

fn overloaded(at: jiff::Timestamp) -> VerifyAnswer {
    let finding = Finding::NotAsked(NotAsked::Overloaded);
    let message = finding.message(&VerifyPlace::default());
    VerifyAnswer { at, finding, message }
}

#[cfg(test)]
mod tests;
