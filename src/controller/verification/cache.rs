//! The questions that wait, those that are asked again, and what is known of each object.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::time::Instant;

use super::hosts::{self, Hosts};
use crate::domain::resolve::Resolved;
use crate::domain::stored::UrlDigest;
use crate::domain::verification::{VerifyAnswer, VerifyNews, VerifyOutage};
use crate::domain::{Credentials, Validity};
use crate::runtime::Key;
use crate::runtime::schedule::{CallLimits, CallQueue, SharedPlaces, WaitingCall};
use crate::verify::StoreRoute;

/// How many stores are asked at a time. One namespace never takes all places of a store.
const LIMITS: CallLimits = CallLimits { at_once: 16, per_server: 4, per_flow: 8, per_owner: 3 };
/// How many questions may be open: those that wait, run, or are asked again.
pub(super) const MAX_OPEN: usize = 10_000;

/// The questions to stores. Each open question waits in `queue` or in `again`, runs, or is held until its URL
/// is seen in the Secret.
pub(super) struct VerifyCache {
    pub(super) entries: HashMap<Key, AskedUrl>,
    pub(super) queue: CallQueue<QueuedQuestion>,
    pub(super) hosts: Hosts,
    /// The questions that are asked again.
    pub(super) again: BTreeSet<(Instant, Key)>,
    /// The open questions of each namespace.
    pub(super) open: SharedPlaces,
    last_id: u64,
}

/// What is known about one URL of an object, until it is reported.
pub(super) struct AskedUrl {
    pub(super) uid: String,
    pub(super) id: u64,
    /// The URL. Nothing of this entry holds for any other one.
    pub(super) url: UrlDigest,
    /// What to ask; `None` when there is nothing to ask any more.
    pub(super) question: Option<Arc<StoreQuestion>>,
    /// Whether the URL was seen in the Secret. Until then nothing is asked.
    pub(super) is_stored: bool,
    /// Whether the URL replaces one with the same spec and credentials.
    pub(super) is_renewal: bool,
    pub(super) attempts: usize,
    /// When the question is asked again.
    pub(super) again: Option<Instant>,
    pub(super) answer: Option<Box<VerifyAnswer>>,
}

/// What a question is made of, when it is asked.
pub struct StoreQuestion {
    /// The request, which is valid and permitted.
    pub resolved: Arc<Resolved>,
    /// What the URL was signed with.
    pub credentials: Arc<Credentials>,
    /// When the URL works.
    pub validity: Validity,
    /// How the store is reached.
    pub route: StoreRoute,
}

/// A URL that was signed, or that is about to be in the Secret.
pub struct WrittenUrl {
    pub url: UrlDigest,
    /// Whether the Secret holds it; if not, nobody knows.
    pub is_stored: bool,
    /// Whether it replaces one with the same spec and credentials.
    pub is_renewal: bool,
}

#[derive(Clone)]
pub(super) struct QueuedQuestion {
    pub(super) key: Key,
    pub(super) id: u64,
    pub(super) question: Arc<StoreQuestion>,
}

/// A question that is asked next.
pub(super) struct DueQuestion {
    pub(super) queued: QueuedQuestion,
    /// Why nothing was reached a moment ago; the store is not asked again so soon.
    pub(super) outage: Option<VerifyOutage>,
    /// When it was handed out.
    pub(super) begun: Instant,
}

impl Default for VerifyCache {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            queue: CallQueue::new(LIMITS),
            hosts: Hosts::default(),
            again: BTreeSet::new(),
            open: SharedPlaces::default(),
            last_id: 0,
        }
    }
}

impl WaitingCall for QueuedQuestion {
    type Server = String;

    fn flow(&self) -> &str {
        self.key.namespace()
    }

    fn server(&self) -> &String {
        self.question.route.authority()
    }

    fn replaces(&self, waiting: &Self) -> bool {
        self.key == waiting.key
    }
}

impl VerifyCache {
    /// What is known about a URL of an object.
    pub(super) fn cached(&self, key: &Key, uid: &str, url: &UrlDigest) -> VerifyNews {
        match self.entries.get(key).filter(|entry| entry.uid == uid && entry.url == *url) {
            None => VerifyNews::Unchanged,
            Some(AskedUrl { answer: Some(answer), .. }) => VerifyNews::Answered(answer.clone()),
            Some(AskedUrl { is_renewal: true, .. }) => VerifyNews::Renewed,
            Some(_) => VerifyNews::Asking,
        }
    }

    /// Notes a URL in place of the one before, whose place in the queue it takes. Without room for its
    /// question, the answer is `overloaded`.
    pub(super) fn put(
        &mut self,
        (key, uid): (&Key, &str),
        written: &WrittenUrl,
        question: Option<StoreQuestion>,
        overloaded: impl FnOnce(&StoreQuestion) -> VerifyAnswer,
    ) {
        self.end(key);
        self.last_id += 1;
        let WrittenUrl { url, is_stored, is_renewal } = *written;
        let mut entry = AskedUrl {
            uid: uid.to_owned(),
            id: self.last_id,
            url,
            question: None,
            is_stored,
            is_renewal,
            attempts: 0,
            again: None,
            answer: None,
        };
        match question {
            Some(question) if self.open.has_capacity(key.namespace(), MAX_OPEN) => {
                self.open.add(key.namespace());
                entry.question = Some(Arc::new(question));
            }
            Some(question) => entry.answer = Some(Box::new(overloaded(&question))),
            None => {}
        }
        let is_asked = entry.question.is_some() && is_stored;
        self.entries.insert(key.clone(), entry);
        if is_asked { self.enqueue(key) } else { self.leave_queue(key) }
    }

    /// Notes that the Secret holds a URL, so that the question about it is asked. Drops what is known of any
    /// other one.
    pub(super) fn seen(&mut self, key: &Key, url: Option<&UrlDigest>) {
        match self.entries.get_mut(key) {
            Some(entry) if Some(&entry.url) != url => self.forget(key),
            Some(entry) if !entry.is_stored => {
                entry.is_stored = true;
                self.enqueue(key);
            }
            _ => {}
        }
    }

    /// Whether [`seen`](Self::seen) changes nothing.
    pub(super) fn has_seen(&self, key: &Key, url: Option<&UrlDigest>) -> bool {
        self.entries.get(key).is_none_or(|entry| Some(&entry.url) == url && entry.is_stored)
    }

    /// Drops what is known of an object.
    pub(super) fn forget(&mut self, key: &Key) {
        self.close(key);
        self.entries.remove(key);
    }

    /// Ends the question about an object. An answer that is there stays.
    pub(super) fn close(&mut self, key: &Key) {
        if self.end(key) {
            self.leave_queue(key);
        }
    }

    /// The same, except that a place in the queue stays. Returns whether there was a question.
    fn end(&mut self, key: &Key) -> bool {
        let Some(entry) = self.entries.get_mut(key) else { return false };
        if let Some(time) = entry.again.take() {
            self.again.remove(&(time, key.clone()));
        }
        let was_open = entry.question.take().is_some();
        if was_open {
            self.open.remove(key.namespace());
        }
        was_open
    }

    fn leave_queue(&mut self, key: &Key) {
        self.queue.remove(key.namespace(), |waiting| waiting.key == *key);
    }

    fn enqueue(&mut self, key: &Key) {
        let Some(entry) = self.entries.get(key) else { return };
        if let Some(question) = &entry.question {
            let question = question.clone();
            self.queue.push(QueuedQuestion { key: key.clone(), id: entry.id, question });
        }
    }

    /// The next question, or when to look again.
    pub(super) fn next(&mut self, now: Instant) -> (Option<DueQuestion>, Option<Instant>) {
        while let Some((time, key)) = self.again.first().cloned().filter(|(time, _)| *time <= now) {
            self.again.remove(&(time, key.clone()));
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.again = None;
            }
            self.enqueue(&key);
        }
        let Self { queue, hosts, .. } = self;
        if let Some(queued) = queue.pop(|waiting| hosts.may_ask(&waiting.question.route, waiting.flow(), now))
        {
            let outage = hosts.begin(&queued.question.route, queued.flow(), now);
            return (Some(DueQuestion { queued, outage, begun: now }), None);
        }
        let next_start = (!queue.is_empty()).then(|| now + hosts::SPACING);
        let again = self.again.first().map(|(time, _)| *time);
        (None, next_start.into_iter().chain(again).min())
    }
}
