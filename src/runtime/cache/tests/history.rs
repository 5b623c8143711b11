//! Histories: what happens to the server, its watches and our calls, step by step.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{AnswerOutcome, Change, Ticket, VersionedCache};
use super::checks::check_change;
use super::server::{ModelServer, ScopedName, Value};
use super::watches::ModelWatches;

pub const SCOPES: u8 = 2;

/// What a call of ours asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallKind {
    Create,
    Update,
    /// An update that changes nothing.
    Repeat,
    Read,
}

/// One step. Numbers choose among what there is.
#[derive(Clone, Debug)]
pub enum HistoryStep {
    Put(ScopedName),
    Delete(ScopedName),
    Begin(ScopedName, CallKind),
    /// The server carries out a call, or refuses it.
    CarryOut(usize),
    /// Its answer arrives; if there is none so far, the call is cancelled.
    Answer(usize),
    Cancel(usize),
    /// The watch of a scope delivers the next event, or gets on with its list.
    Watch {
        scope: u8,
        choice: usize,
    },
    /// The watch of a scope breaks off and has to list again.
    Break(u8),
    /// A value is removed because of something else than its watch.
    Remove(ScopedName),
    Restore(u64),
    Clear,
    /// Everything is delivered, the answers first or last.
    Quiet {
        answers_first: bool,
    },
}

pub struct Call {
    ticket: Ticket<ScopedName>,
    ask: CallKind,
    onto: Option<u64>,
    answer: Option<Value>,
    /// The version held, and the highest one seen in the scope, when the call began.
    held: Option<u64>,
    highest: u64,
    is_late: bool,
    is_void: bool,
}

pub struct CacheHistory {
    pub server: ModelServer,
    pub cache: VersionedCache<ScopedName, Value, u8>,
    pub watches: ModelWatches,
    pub calls: Vec<Call>,
    pub highest: BTreeMap<u8, u64>,
    /// The highest version at which the watch has shown that a key was not there.
    pub absent: BTreeMap<ScopedName, u64>,
    /// What was removed and not shown since; it may be missing.
    pub removed: BTreeSet<ScopedName>,
    /// Whether the server was restored since the scopes were cleared.
    pub is_restored: bool,
    /// How often the cache was emptied.
    pub clears: u32,
}

impl CacheHistory {
    pub fn new() -> Self {
        Self {
            server: ModelServer::default(),
            cache: VersionedCache::new(|key: &ScopedName| key.0),
            watches: ModelWatches::default(),
            calls: Vec::new(),
            highest: BTreeMap::new(),
            absent: BTreeMap::new(),
            removed: BTreeSet::new(),
            is_restored: false,
            clears: 0,
        }
    }

    pub fn step(&mut self, step: &HistoryStep) {
        let (before, clears) = (self.held(), self.clears);
        match *step {
            HistoryStep::Put(key) => drop(self.server.put(key)),
            HistoryStep::Delete(key) => self.server.delete(key),
            HistoryStep::Begin(key, ask) => self.begin(key, ask),
            HistoryStep::CarryOut(choice) if !self.calls.is_empty() => {
                self.carry_out(choice % self.calls.len());
            }
            HistoryStep::Answer(choice) if !self.calls.is_empty() => self.answer(choice % self.calls.len()),
            HistoryStep::Cancel(choice) if !self.calls.is_empty() => {
                self.calls.swap_remove(choice % self.calls.len());
            }
            HistoryStep::CarryOut(_) | HistoryStep::Answer(_) | HistoryStep::Cancel(_) => {}
            HistoryStep::Watch { scope, choice } => drop(self.watch(scope, choice)),
            HistoryStep::Break(scope) => self.break_off(scope),
            HistoryStep::Remove(key) => {
                self.cache.remove(&key, u64::MAX);
                self.delay(|called| called == key);
                self.removed.insert(key);
            }
            HistoryStep::Restore(back) => {
                self.server.restore(back);
                self.is_restored = true;
            }
            HistoryStep::Clear => self.clear(),
            HistoryStep::Quiet { answers_first } => self.quiet(answers_first),
        }
        if self.clears == clears {
            self.check_newer(&before);
        }
        self.check();
    }

    fn begin(&mut self, key: ScopedName, ask: CallKind) {
        let held = self.cache.version(&key);
        let onto = match ask {
            CallKind::Create | CallKind::Read => None,
            // What is not in the cache was read by the reconcile.
            CallKind::Update | CallKind::Repeat => held.or(self.server.get(key).map(|found| found.version)),
        };
        let ticket = match ask {
            CallKind::Read => self.cache.begin_read(key),
            CallKind::Create | CallKind::Update | CallKind::Repeat => self.cache.begin_write(key, onto),
        };
        let highest = self.highest.get(&key.0).copied().unwrap_or(0);
        let (is_late, is_void) = (false, false);
        self.calls.push(Call { ticket, ask, onto, answer: None, held, highest, is_late, is_void });
    }

    fn carry_out(&mut self, index: usize) {
        let call = &mut self.calls[index];
        if call.answer.is_some() {
            return;
        }
        let key = *call.ticket.key();
        let found = self.server.get(key);
        let is_met = found.is_some() && found.map(|found| found.version) == call.onto;
        call.answer = match call.ask {
            CallKind::Create => found.is_none().then(|| self.server.put(key)),
            CallKind::Update => is_met.then(|| self.server.put(key)),
            CallKind::Repeat => found.filter(|_| is_met),
            CallKind::Read => found,
        };
    }

    fn answer(&mut self, index: usize) {
        let call = self.calls.swap_remove(index);
        let Some(value) = call.answer else { return };
        let key = *call.ticket.key();
        let is_behind = !call.is_void
            && match call.ask {
                CallKind::Create | CallKind::Update => value.version <= call.highest,
                CallKind::Repeat => false,
                CallKind::Read => Some(value.version) < call.held,
            };
        assert_eq!(call.ticket.shows_restore(value.version), is_behind, "{:?}: {value:?}", call.ask);
        assert!(self.is_restored || !is_behind, "the model server went back by itself");
        let before = self.cache.get(&key).copied();
        let answer = self.cache.answer(call.ticket, value);
        let after = self.cache.get(&key).copied();
        match answer {
            AnswerOutcome::Restored => {
                assert!(is_behind && before == after);
                return self.clear();
            }
            AnswerOutcome::Dropped => {
                assert!(call.is_void || (call.is_late && before.is_none()), "dropped {value:?} without need");
                assert_eq!(before, after);
            }
            AnswerOutcome::Taken(change) => {
                assert!(!call.is_void && !is_behind, "took {value:?}");
                assert!(change != Change::Inserted || !call.is_late, "inserted {value:?} late");
                check_change(&change, before, value, after);
            }
        }
        if !call.is_void {
            self.seen(key.0, value.version);
        }
    }

    /// Empties the cache and begins all watches anew, as after a restore.
    pub fn clear(&mut self) {
        for scope in 0..SCOPES {
            let mut held: Vec<_> = self.cache.iter_scope(&scope).map(|(key, value)| (*key, *value)).collect();
            let mut cleared = self.cache.clear(&scope);
            cleared.sort_by_key(|(key, _)| *key);
            held.sort_by_key(|(key, _)| *key);
            assert_eq!(cleared, held);
        }
        assert!(self.cache.is_empty());
        self.clears += 1;
        self.watches = ModelWatches::default();
        self.highest.clear();
        self.removed.clear();
        self.calls.iter_mut().for_each(|call| call.is_void = true);
        if std::mem::take(&mut self.is_restored) {
            self.absent.clear();
        }
    }

    /// The answers to calls for these keys come too late to insert anything.
    pub fn delay(&mut self, is_meant: impl Fn(ScopedName) -> bool) {
        for call in &mut self.calls {
            call.is_late |= is_meant(*call.ticket.key());
        }
    }

    pub fn seen(&mut self, scope: u8, version: u64) {
        let highest = self.highest.entry(scope).or_default();
        *highest = version.max(*highest);
    }

    fn quiet(&mut self, answers_first: bool) {
        if answers_first {
            self.answer_all();
        }
        if self.is_restored {
            self.clear();
        }
        self.watch_all();
        self.answer_all();
        self.check_quiet();
    }

    fn answer_all(&mut self) {
        while !self.calls.is_empty() {
            self.answer(0);
        }
    }
}
