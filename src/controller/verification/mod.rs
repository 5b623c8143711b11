//! The questions to stores whether they accept a URL: in memory only, one for each object at most.
//!
//! A reconcile never waits for a store. It leaves a question about a URL that it wrote; `requests` asks it and
//! wakes the object, which reports the answer. Question and answer hold for that URL alone: they are dropped
//! when the object is gone, when its Secret holds another URL, whoever wrote it, and when its spec or its
//! signer does not permit a URL any more.

mod cache;
mod hosts;
mod requests;

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use self::cache::{AskedUrl, DueQuestion, QueuedQuestion, VerifyCache};
pub use self::cache::{StoreQuestion, WrittenUrl};
pub use self::requests::ask_stores;
use self::requests::is_of_platform;
use crate::domain::status::{ReportedUrl, Seen};
use crate::domain::verification::{Finding, NotAsked, Verify, VerifyAnswer, VerifyNews, VerifyPlace};
use crate::domain::{Request, SignedUrl};
use crate::runtime::Key;
use crate::runtime::clock::sleep_until;
use crate::runtime::lock::Lock;
use crate::verify::{StoreRoute, StoreVerifier};

/// How often a question is asked while the store gives no answer, and the pauses between, in seconds.
const PAUSES: [u64; 4] = [30, 60, 120, 240];

/// The questions to stores.
pub struct Verifications {
    /// Asks the stores; `None` when the operator may ask none.
    verifier: Option<StoreVerifier>,
    cache: Lock<VerifyCache>,
    filled: Notify,
}

impl Verifications {
    /// No questions yet. Without `verifier`, none is ever asked.
    #[must_use]
    pub fn new(verifier: Option<StoreVerifier>) -> Self {
        Self { verifier, cache: Lock::default(), filled: Notify::new() }
    }

    /// Whether stores may be asked.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.verifier.is_some()
    }

    /// How the store of a URL is reached; `None` when it cannot be asked.
    #[must_use]
    pub fn route(&self, request: &Request, signed: &SignedUrl) -> Option<StoreRoute> {
        let ca_bundle = request.verify.ca_bundle.as_deref();
        self.verifier.as_ref()?.route(&signed.url, ca_bundle, is_of_platform(request))
    }

    /// Notes that a URL was written, or may have been, and what to ask about it, if anything.
    pub fn issued(&self, key: &Key, uid: &str, written: &WrittenUrl, question: Option<StoreQuestion>) {
        self.cache.write().put((key, uid), written, question, overloaded);
        self.filled.notify_one();
    }

    /// Whether there is a question or an answer about an object that its status does not show yet.
    #[must_use]
    pub fn is_open(&self, key: &Key) -> bool {
        let cache = self.cache.read();
        cache.entries.get(key).is_some_and(|entry| entry.question.is_some() || entry.answer.is_some())
    }

    /// Notes what the Secret of an object holds. A question about this URL is asked from now on, and what is
    /// known about another one is dropped.
    pub fn saw(&self, key: &Key, seen: &Seen) {
        let url = match seen {
            Seen::Unknown => return,
            Seen::Nothing => None,
            Seen::Url(reported) => reported.digest.as_deref(),
        };
        if !self.cache.read().has_seen(key, url) {
            self.cache.write().seen(key, url);
            self.filled.notify_one();
        }
    }

    /// What is known about the URL of an object. `when` is what its spec says, `None` when that is not valid,
    /// and `seen` is the URL that is reported.
    #[must_use]
    pub fn news(&self, key: &Key, uid: &str, when: Option<Verify>, seen: &Seen) -> VerifyNews {
        match when {
            None => VerifyNews::Unjudged,
            Some(Verify::None) => {
                self.forget(key);
                VerifyNews::NotWanted
            }
            Some(_) if !self.is_on() => VerifyNews::Disabled,
            Some(Verify::Once | Verify::Always) => self.cached(key, uid, seen),
        }
    }

    fn cached(&self, key: &Key, uid: &str, seen: &Seen) -> VerifyNews {
        let Seen::Url(ReportedUrl { digest: Some(url), .. }) = seen else { return VerifyNews::Unchanged };
        self.cache.read().cached(key, uid, url)
    }

    /// Notes that the status of an object shows this, which then need not be kept.
    pub fn status_is_current(&self, key: &Key, news: &VerifyNews) {
        if !self.cache.read().entries.contains_key(key) {
            return;
        }
        let mut cache = self.cache.write();
        let Some(AskedUrl { uid, url, question: None, .. }) = cache.entries.get(key) else { return };
        // An answer may have come since the report was made.
        if cache.cached(key, uid, url) == *news {
            cache.forget(key);
        }
    }

    /// Forgets an object, because it is gone or asks for no verification any more.
    pub fn forget(&self, key: &Key) {
        if self.cache.read().entries.contains_key(key) {
            self.cache.write().forget(key);
        }
    }

    /// Ends the question about an object that may have no new URL: nothing is signed with its credentials any
    /// more. An answer that is there is still about the URL.
    pub fn withdraw(&self, key: &Key) {
        if !self.cache.read().entries.contains_key(key) {
            return;
        }
        let mut cache = self.cache.write();
        cache.close(key);
        if cache.entries.get(key).is_some_and(|entry| entry.answer.is_none()) {
            cache.forget(key);
        }
    }

    /// The next question; waits until there is one.
    async fn next(&self) -> DueQuestion {
        loop {
            let (due, pause) = self.cache.write().next(Instant::now());
            if let Some(due) = due {
                return due;
            }
            tokio::select! {
                () = self.filled.notified() => {}
                () = sleep_until(pause) => {}
            }
        }
    }

    /// Takes in what became of a question, and returns whether the object has to report it.
    fn answered(&self, due: &DueQuestion, answer: Option<VerifyAnswer>, now: Instant) -> bool {
        let QueuedQuestion { key, id, question } = &due.queued;
        let mut cache = self.cache.write();
        let cache = &mut *cache;
        cache.queue.ended(&due.queued);
        // Others may be waiting for this place.
        self.filled.notify_one();
        if let (None, Some(answer)) = (due.outage, &answer) {
            cache.hosts.answered(&question.route, (key.namespace(), due.begun), &answer.finding, now);
        }
        let is_asked = |entry: &&mut AskedUrl| entry.id == *id && entry.question.is_some();
        let Some(entry) = cache.entries.get_mut(key).filter(is_asked) else { return false };
        let Some(answer) = answer else {
            // Another process leads, or the URL has expired.
            cache.forget(key);
            return false;
        };
        let is_outage = matches!(answer.finding, Finding::Unreachable(_));
        let pause = PAUSES.get(entry.attempts).copied().filter(|_| is_outage);
        entry.attempts += 1;
        let is_same = entry.answer.as_ref().is_some_and(|before| before.finding == answer.finding);
        if !is_same {
            entry.answer = Some(Box::new(answer));
        }
        match pause {
            Some(pause) => {
                let then = now + Duration::from_secs(pause);
                entry.again = Some(then);
                cache.again.insert((then, key.clone()));
            }
            None => cache.close(key),
        }
        !is_same || pause.is_none()
    }
}

fn overloaded(question: &StoreQuestion) -> VerifyAnswer {
    let finding = Finding::NotAsked(NotAsked::Overloaded);
    let message = finding.message(&VerifyPlace::default());
    VerifyAnswer { at: question.validity.signing_time, finding, message }
}

#[cfg(test)]
mod tests;
