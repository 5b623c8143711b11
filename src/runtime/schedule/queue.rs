//! The queue: when each key is due, and who has it in hand.
//!
//! Which of those that are due starts first is in `fairness.rs`.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::runtime::schedule::fairness::{DueSet, NEVER, Order};
use crate::runtime::schedule::{Cause, IDLE_ROOM, Job, Next, Rank, Tenant, trim};

/// How many due keys are ranked anew before the next job is taken.
const RERANKED_AT_ONCE: usize = 32;

/// When each key is reconciled next.
///
/// # Guarantees
/// - A key that was woken and not removed is always in exactly one place: it waits for its
///   time, is due, or is in hand.
/// - A key in hand is not handed out again before it is [`done`](Self::done). If it was woken
///   meanwhile, it is due again then.
/// - A time is met at most one millisecond late, as far as there are free workers.
pub struct Queue<K> {
    rank: Box<dyn Fn(&K) -> Rank + Send + Sync>,
    state: Mutex<State<K>>,
    changed: Notify,
}

pub(super) struct State<K> {
    /// What times are counted from, in milliseconds.
    epoch: Instant,
    places: HashMap<K, Place>,
    /// Those whose time has not come.
    later: BTreeSet<(u64, K)>,
    /// Those that are due and whose rank is to be asked for, in the order of their arrival.
    /// A key may be here twice, or be gone: its place says what counts.
    arrived: VecDeque<K>,
    /// Those that are ranked and were woken since, in order; the same holds for them.
    changed: VecDeque<K>,
    /// Those that are due and ranked.
    due: DueSet<K>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Later {
        at: u64,
        cause: Cause,
    },
    /// Due. `is_changed`: it was woken since its rank was asked for.
    Arrived {
        cause: Cause,
        is_changed: bool,
    },
    /// Due, and found in the due set by the number of its arrival. `is_changed`: it was woken
    /// since its rank was asked for, and has arrived again.
    Due {
        arrival: u64,
        cause: Cause,
        is_changed: bool,
    },
    InHand(Since),
}

/// What has happened to a key in hand since it was taken.
#[derive(Clone, Copy, Debug)]
enum Since {
    Nothing,
    Woken,
    Removed,
}

impl<K: Clone + Eq + Hash + Ord + Tenant> Queue<K> {
    /// An empty queue. `rank` is asked when a key has become due, and again when a due key is
    /// woken. It is called by [`next`](Self::next), without any lock, and must not panic.
    #[must_use]
    pub fn new(rank: impl Fn(&K) -> Rank + Send + Sync + 'static) -> Self {
        let state = State {
            epoch: Instant::now(),
            places: HashMap::new(),
            later: BTreeSet::new(),
            arrived: VecDeque::new(),
            changed: VecDeque::new(),
            due: DueSet::default(),
        };
        Self { rank: Box::new(rank), state: Mutex::new(state), changed: Notify::new() }
    }

    /// Makes a key due now. Inserts it if it is unknown.
    pub fn wake(&self, key: &K) {
        if self.lock().wake(key) {
            self.changed.notify_one();
        }
    }

    /// Takes out a key whose object is gone. If it is in hand, it leaves when it is done; a
    /// wake after the removal brings it back.
    pub fn remove(&self, key: &K) {
        self.lock().remove(key);
    }

    /// Takes out a key in hand for which there is no object, unless it was woken since it was
    /// taken: then there may be an object again.
    pub fn remove_unless_woken(&self, key: &K) {
        self.lock().remove_unless_woken(key);
    }

    /// The next job for one of `width` workers, once a key is due. Whoever takes it says when
    /// it is [`done`](Self::done). Only one may ask at a time, and only while one of the
    /// workers is free. No key is lost when this is cancelled.
    pub async fn next(&self, width: usize) -> Job<K> {
        loop {
            // Those who wake thousands again and again must not keep what is ranked from being
            // taken, so few are ranked anew at a time.
            let mut reranked = 0;
            loop {
                let unranked = self.lock().unranked(reranked < RERANKED_AT_ONCE);
                let Some((key, is_due)) = unranked else { break };
                reranked += usize::from(is_due);
                let rank = (self.rank)(&key);
                self.lock().admit(&key, rank);
            }
            let taken = self.lock().take(width);
            let timer = match taken {
                Ok(job) => return job,
                Err(_) if reranked == RERANKED_AT_ONCE => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Err(timer) => timer,
            };
            let changed = self.changed.notified();
            match timer {
                None => changed.await,
                Some(at) => drop(tokio::time::timeout_at(at, changed).await),
            }
        }
    }

    /// Ends the reconcile of a key in hand. It is due again when `next` says, or now if it was
    /// woken meanwhile.
    pub fn done(&self, key: &K, next: Next) {
        self.lock().done(key, next);
        self.changed.notify_one();
    }

    /// Whether more is due than is in hand.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        let state = self.lock();
        !state.arrived.is_empty() || !state.due.is_empty()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash + Ord + Tenant> State<K> {
    /// Whether something has arrived.
    fn wake(&mut self, key: &K) -> bool {
        let before = self.arrived.len() + self.changed.len();
        self.collect();
        match self.places.get_mut(key) {
            None => self.arrive(key.clone(), Cause::Woken),
            Some(Place::Later { at, .. }) => {
                let at = *at;
                self.later.remove(&(at, key.clone()));
                self.arrive(key.clone(), Cause::Woken);
            }
            Some(Place::Arrived { cause, is_changed }) => {
                *cause = Cause::Woken.max(*cause);
                *is_changed = true;
            }
            Some(Place::Due { cause, is_changed, .. }) => {
                *cause = Cause::Woken.max(*cause);
                if !mem::replace(is_changed, true) {
                    self.changed.push_back(key.clone());
                }
            }
            Some(Place::InHand(since)) => *since = Since::Woken,
        }
        self.arrived.len() + self.changed.len() > before
    }

    fn remove(&mut self, key: &K) {
        match self.places.get_mut(key) {
            None => return,
            Some(Place::InHand(since)) => {
                *since = Since::Removed;
                return;
            }
            Some(Place::Later { at, .. }) => {
                let at = *at;
                self.later.remove(&(at, key.clone()));
            }
            Some(Place::Arrived { .. }) => {}
            Some(Place::Due { arrival, .. }) => {
                self.due.remove(*arrival);
            }
        }
        self.places.remove(key);
        trim(&mut self.places);
    }

    fn remove_unless_woken(&mut self, key: &K) {
        if let Some(Place::InHand(since @ Since::Nothing)) = self.places.get_mut(key) {
            *since = Since::Removed;
        }
    }

    fn done(&mut self, key: &K, next: Next) {
        let Some(Place::InHand(since)) = self.places.get(key).copied() else { return };
        self.due.release(key.tenant());
        let is_now = next.at <= Instant::now();
        match since {
            Since::Nothing if is_now => self.arrive(key.clone(), next.cause),
            Since::Woken if is_now => self.arrive(key.clone(), Cause::Woken.max(next.cause)),
            Since::Woken => self.arrive(key.clone(), Cause::Woken),
            Since::Nothing => {
                let at = self.millis(next.at);
                self.places.insert(key.clone(), Place::Later { at, cause: next.cause });
                self.later.insert((at, key.clone()));
            }
            Since::Removed => {
                self.places.remove(key);
                trim(&mut self.places);
            }
        }
    }

    fn arrive(&mut self, key: K, cause: Cause) {
        self.places.insert(key.clone(), Place::Arrived { cause, is_changed: false });
        self.arrived.push_back(key);
    }

    /// Has those arrive whose time has come.
    fn collect(&mut self) {
        let now = self.now();
        while self.later.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.later.pop_first() else { return };
            if let Some(Place::Later { cause, .. }) = self.places.get(&key).copied() {
                self.arrive(key, cause);
            }
        }
    }

    /// The first key whose rank is to be asked for, and whether it has one, which those with
    /// one are left out for. It stays where it is until it is admitted.
    fn unranked(&mut self, with_ranked: bool) -> Option<(K, bool)> {
        self.collect();
        let changed = self.changed.front().filter(|_| with_ranked).map(|key| (key, true));
        let (key, is_due) = self.arrived.front().map(|key| (key, false)).or(changed)?;
        if let Some(Place::Arrived { is_changed, .. } | Place::Due { is_changed, .. }) =
            self.places.get_mut(key)
        {
            *is_changed = false;
        }
        Some((key.clone(), is_due))
    }

    /// Takes a key that has arrived into the due set, or corrects its rank there.
    fn admit(&mut self, key: &K, rank: Rank) {
        let fronts = [&mut self.arrived, &mut self.changed];
        if let Some(keys) = fronts.into_iter().find(|keys| keys.front() == Some(key)) {
            keys.pop_front();
        }
        let urgent_at = rank.urgent_at.map_or(NEVER, |at| self.millis(at));
        let (order, now) = (Order { urgent_at, expires: rank.expires }, self.now());
        match self.places.get_mut(key) {
            Some(place @ Place::Arrived { .. }) => {
                let Place::Arrived { cause, is_changed } = *place else { return };
                let arrival = self.due.push(key.clone(), order, now);
                *place = Place::Due { arrival, cause, is_changed };
                if is_changed {
                    self.changed.push_back(key.clone());
                }
            }
            Some(Place::Due { arrival, .. }) => self.due.rerank(*arrival, order, now),
            Some(Place::Later { .. } | Place::InHand(_)) | None => {}
        }
        for keys in [&mut self.arrived, &mut self.changed] {
            if keys.is_empty() {
                keys.shrink_to(IDLE_ROOM);
            }
        }
    }

    /// The key that starts next, or when to ask again.
    fn take(&mut self, width: usize) -> Result<Job<K>, Option<Instant>> {
        let Some(key) = self.due.take(self.now(), width) else {
            let first = self.later.first();
            return Err(first.map(|(at, _)| self.epoch + Duration::from_millis(*at)));
        };
        let place = self.places.insert(key.clone(), Place::InHand(Since::Nothing));
        let cause = if let Some(Place::Due { cause, .. }) = place { cause } else { Cause::Woken };
        Ok(Job { key, cause })
    }

    /// The milliseconds that are over.
    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Rounded up, so that nothing is due too early.
    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch);
        u64::try_from(since.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
