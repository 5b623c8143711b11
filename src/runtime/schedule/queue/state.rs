//! The places of the keys of a queue, and how a key goes from one to the next. Without a lock and without
//! waiting.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::mem;
use std::time::Duration;

use tokio::time::Instant;

use crate::runtime::schedule::fairness::{DueSet, NEVER, Order};
use crate::runtime::schedule::{Cause, IDLE_CAPACITY, Job, NextRun, Rank, Tenant, trim};

/// Where each key is.
pub(super) struct QueueState<K> {
    /// The instant from which times are counted, in milliseconds.
    pub(super) epoch: Instant,
    pub(super) states: HashMap<K, KeyState>,
    /// The keys whose time has not come yet.
    later: BTreeSet<(u64, K)>,
    /// The due keys without a rank, in the order of their arrival. A key may be here twice, or may have
    /// been removed; only its place counts.
    arrived: VecDeque<K>,
    /// The ranked keys that were woken since, in order. A key may be stale here in the same way.
    changed: VecDeque<K>,
    /// The due keys with a rank.
    due: DueSet<K>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum KeyState {
    Later {
        at: u64,
        cause: Cause,
    },
    /// Due, without a rank. `is_changed`: it was woken since `rank` was called for it.
    Arrived {
        cause: Cause,
        is_changed: bool,
    },
    /// Due, and in the due set under the number of its arrival. `is_changed`: it was woken since `rank`
    /// was called for it, and is in `changed`.
    Due {
        arrival: u64,
        cause: Cause,
        is_changed: bool,
    },
    InHand(Since),
}

/// What happened to a key in hand since it was taken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Since {
    Nothing,
    Woken,
    Removed,
}

impl<K: Clone + Eq + Hash + Ord + Tenant> QueueState<K> {
    /// A state without keys.
    pub(super) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            states: HashMap::new(),
            later: BTreeSet::new(),
            arrived: VecDeque::new(),
            changed: VecDeque::new(),
            due: DueSet::default(),
        }
    }

    /// Whether keys are due that nobody has taken.
    pub(super) fn has_backlog(&self) -> bool {
        !self.arrived.is_empty() || !self.due.is_empty()
    }

    /// Wakes a key, and returns whether a rank has to be asked for.
    pub(super) fn wake(&mut self, key: &K) -> bool {
        let before = self.arrived.len() + self.changed.len();
        self.collect();
        match self.states.get_mut(key) {
            None => self.arrive(key.clone(), Cause::Woken),
            Some(KeyState::Later { at, .. }) => {
                let at = *at;
                self.later.remove(&(at, key.clone()));
                self.arrive(key.clone(), Cause::Woken);
            }
            Some(KeyState::Arrived { cause, is_changed }) => {
                *cause = Cause::Woken.max(*cause);
                *is_changed = true;
            }
            Some(KeyState::Due { cause, is_changed, .. }) => {
                *cause = Cause::Woken.max(*cause);
                if !mem::replace(is_changed, true) {
                    self.changed.push_back(key.clone());
                }
            }
            Some(KeyState::InHand(since)) => *since = Since::Woken,
        }
        self.arrived.len() + self.changed.len() > before
    }

    pub(super) fn remove(&mut self, key: &K) {
        match self.states.get_mut(key) {
            None => return,
            Some(KeyState::InHand(since)) => {
                *since = Since::Removed;
                return;
            }
            Some(KeyState::Later { at, .. }) => {
                let at = *at;
                self.later.remove(&(at, key.clone()));
            }
            Some(KeyState::Arrived { .. }) => {}
            Some(KeyState::Due { arrival, .. }) => {
                self.due.remove(*arrival);
            }
        }
        self.states.remove(key);
        trim(&mut self.states);
    }

    pub(super) fn remove_unless_woken(&mut self, key: &K) {
        if let Some(KeyState::InHand(since @ Since::Nothing)) = self.states.get_mut(key) {
            *since = Since::Removed;
        }
    }

    pub(super) fn done(&mut self, key: &K, next: NextRun) {
        let Some(KeyState::InHand(since)) = self.states.get(key).copied() else { return };
        self.due.release(key.tenant());
        let is_now = next.at <= Instant::now();
        match since {
            Since::Nothing if is_now => self.arrive(key.clone(), next.cause),
            Since::Woken if is_now => self.arrive(key.clone(), Cause::Woken.max(next.cause)),
            Since::Woken => self.arrive(key.clone(), Cause::Woken),
            Since::Nothing => {
                let at = self.millis(next.at);
                self.states.insert(key.clone(), KeyState::Later { at, cause: next.cause });
                self.later.insert((at, key.clone()));
            }
            Since::Removed => {
                self.states.remove(key);
                trim(&mut self.states);
            }
        }
    }

    fn arrive(&mut self, key: K, cause: Cause) {
        self.states.insert(key.clone(), KeyState::Arrived { cause, is_changed: false });
        self.arrived.push_back(key);
    }

    /// Makes the keys due whose time has come.
    fn collect(&mut self) {
        let now = self.now();
        while self.later.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.later.pop_first() else { return };
            if let Some(KeyState::Later { cause, .. }) = self.states.get(&key).copied() {
                self.arrive(key, cause);
            }
        }
    }

    /// The first key whose rank has to be asked for, and whether it already has one. Without
    /// `with_ranked`, keys that have a rank are left out. The key stays in its list until it is admitted.
    pub(super) fn unranked(&mut self, with_ranked: bool) -> Option<(K, bool)> {
        self.collect();
        let changed = self.changed.front().filter(|_| with_ranked).map(|key| (key, true));
        let (key, is_due) = self.arrived.front().map(|key| (key, false)).or(changed)?;
        if let Some(KeyState::Arrived { is_changed, .. } | KeyState::Due { is_changed, .. }) =
            self.states.get_mut(key)
        {
            *is_changed = false;
        }
        Some((key.clone(), is_due))
    }

    /// Inserts a key that has arrived into the due set, or changes its rank there.
    pub(super) fn admit(&mut self, key: &K, rank: Rank) {
        let fronts = [&mut self.arrived, &mut self.changed];
        if let Some(keys) = fronts.into_iter().find(|keys| keys.front() == Some(key)) {
            keys.pop_front();
        }
        let urgent_at = rank.urgent_at.map_or(NEVER, |at| self.millis(at));
        let (order, now) = (Order { urgent_at, expires: rank.expires }, self.now());
        match self.states.get_mut(key) {
            Some(state @ KeyState::Arrived { .. }) => {
                let KeyState::Arrived { cause, is_changed } = *state else { return };
                let arrival = self.due.push(key.clone(), order, now);
                *state = KeyState::Due { arrival, cause, is_changed };
                if is_changed {
                    self.changed.push_back(key.clone());
                }
            }
            Some(KeyState::Due { arrival, .. }) => self.due.rerank(*arrival, order, now),
            Some(KeyState::Later { .. } | KeyState::InHand(_)) | None => {}
        }
        for keys in [&mut self.arrived, &mut self.changed] {
            if keys.is_empty() {
                keys.shrink_to(IDLE_CAPACITY);
            }
        }
    }

    /// Takes the key that starts next, or returns when to try again.
    pub(super) fn take(&mut self, width: usize) -> Result<Job<K>, Option<Instant>> {
        let Some(key) = self.due.take(self.now(), width) else {
            let first = self.later.first();
            return Err(first.map(|(at, _)| self.epoch + Duration::from_millis(*at)));
        };
        let state = self.states.insert(key.clone(), KeyState::InHand(Since::Nothing));
        let cause = if let Some(KeyState::Due { cause, .. }) = state { cause } else { Cause::Woken };
        Ok(Job { key, cause })
    }

    /// The milliseconds since the epoch of the queue.
    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A time in milliseconds since the epoch, rounded up so that no key is due too early.
    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch);
        u64::try_from(since.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}
