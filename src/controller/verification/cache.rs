//! The questions that wait, those that are asked again, and what is known of each object.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::time::Instant;

use super::hosts::{self, Hosts};
use crate::domain::resolve::Resolved;
use crate::domain::verification::{VerifyAnswer, VerifyNews, VerifyOutage};
use crate::domain::{Credentials, Validity};
use crate::runtime::Key;
use crate::runtime::schedule::{TurnLimits, TurnQueue, WaitingCall};

/// How many stores are asked at a time.
const LIMITS: TurnLimits = TurnLimits { at_once: 16, per_server: 4, per_turn: 8 };
/// How many questions may wait.
pub(super) const MOST_WAITING: usize = 10_000;

/// The questions to stores.
pub(super) struct VerifyCache {
    pub(super) entries: HashMap<Key, AskedUrl>,
    pub(super) queue: TurnQueue<QueuedQuestion>,
    pub(super) hosts: Hosts,
    /// The questions that are asked again.
    pub(super) again: BTreeSet<(Instant, Key, u64)>,
    pub(super) last_id: u64,
}

/// What is known about the stored URL of one object, until it is reported.
pub(super) struct AskedUrl {
    pub(super) uid: String,
    pub(super) id: u64,
    /// What to ask; `None` when there is nothing to ask any more.
    pub(super) question: Option<Arc<StoreQuestion>>,
    /// Whether the URL replaces one with the same spec and credentials.
    pub(super) is_renewal: bool,
    pub(super) attempts: usize,
    pub(super) answer: Option<Box<VerifyAnswer>>,
}

/// What a question is made of, when its turn comes.
pub struct StoreQuestion {
    /// The request, which is valid and permitted.
    pub resolved: Arc<Resolved>,
    /// What the URL was signed with.
    pub credentials: Arc<Credentials>,
    /// When the URL works.
    pub validity: Validity,
    /// Host and port of the store.
    pub authority: String,
}

/// A question in the queue.
#[derive(Clone)]
pub(super) struct QueuedQuestion {
    pub(super) key: Key,
    pub(super) id: u64,
    pub(super) authority: String,
}

/// A question whose turn has come.
pub(super) struct DueQuestion {
    pub(super) queued: QueuedQuestion,
    pub(super) question: Arc<StoreQuestion>,
    /// Why its store gave no answer a moment ago; it is not asked again so soon.
    pub(super) outage: Option<VerifyOutage>,
}

impl Default for VerifyCache {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            queue: TurnQueue::new(LIMITS),
            hosts: Hosts::default(),
            again: BTreeSet::new(),
            last_id: 0,
        }
    }
}

impl WaitingCall for QueuedQuestion {
    type Server = String;

    fn turn(&self) -> &str {
        self.key.namespace()
    }

    fn server(&self) -> &String {
        &self.authority
    }
}

impl VerifyCache {
    pub(super) fn known(&self, key: &Key, uid: &str) -> VerifyNews {
        match self.entries.get(key).filter(|entry| entry.uid == uid) {
            None => VerifyNews::Unchanged,
            Some(AskedUrl { answer: Some(answer), .. }) => VerifyNews::Answered(answer.clone()),
            Some(AskedUrl { is_renewal: true, .. }) => VerifyNews::Renewed,
            Some(_) => VerifyNews::Asking,
        }
    }

    /// The next question, or when to look again.
    pub(super) fn next(&mut self, now: Instant) -> (Option<DueQuestion>, Option<Instant>) {
        while let Some((time, key, id)) = self.again.first().cloned().filter(|(time, ..)| *time <= now) {
            self.again.remove(&(time, key.clone(), id));
            let question = self.entries.get(&key).filter(|entry| entry.id == id);
            if let Some(question) = question.and_then(|entry| entry.question.as_ref()) {
                let authority = question.authority.clone();
                self.queue.push(QueuedQuestion { key, id, authority });
            }
        }
        let Self { entries, queue, hosts, .. } = self;
        let is_current =
            |queued: &QueuedQuestion| entries.get(&queued.key).is_some_and(|entry| entry.id == queued.id);
        // One that is not asked any more needs no turn.
        while let Some(queued) =
            queue.pop(|queued| !is_current(queued) || hosts.may_ask(queued.server(), now))
        {
            let question = entries.get(&queued.key).filter(|entry| entry.id == queued.id);
            if let Some(question) = question.and_then(|entry| entry.question.clone()) {
                let outage = hosts.begin(&queued.authority, now);
                return (Some(DueQuestion { queued, question, outage }), None);
            }
            queue.ended(&queued);
        }
        let next_start = (!queue.is_empty()).then(|| now + hosts::SPACING);
        let again = self.again.first().map(|(time, ..)| *time);
        (None, next_start.into_iter().chain(again).min())
    }
}
