//! When each object is looked at next, and in which order those that are due.
//!
//! It takes the place of the queue in kube's `Controller`, which has no order and polls
//! every pass that waits whenever one of them ends: with a bound on its passes it would not
//! serve the URL first that expires soonest, without one a herd costs the square of its size.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::runtime::key::Key;

/// How much room an emptied heap keeps.
const IDLE_ROOM: usize = 256;

/// The queue. An object is in it at most once, and never given out while it is looked at.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// What times are counted from.
    epoch: Instant,
    places: HashMap<Key, Place>,
    /// Those that wait for a time, in milliseconds since the epoch.
    later: BTreeSet<(u64, Key)>,
    /// Those that are due: the most urgent first, in the order of their arrival.
    due: BinaryHeap<Reverse<(i64, u64, Key)>>,
    arrivals: u64,
}

/// Where an object stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Later(u64),
    Due,
    InHand,
    /// It is being looked at, and something has changed since that began.
    InHandAgain(i64),
}

impl Default for Queue {
    fn default() -> Self {
        let state = State {
            epoch: Instant::now(),
            places: HashMap::new(),
            later: BTreeSet::new(),
            due: BinaryHeap::new(),
            arrivals: 0,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }
}

impl Queue {
    /// Has an object looked at now. Of those that are due, the one with the smallest
    /// `urgency` goes first.
    pub fn wake(&self, key: &Key, urgency: i64) {
        if self.lock().wake(key, urgency) {
            self.changed.notify_one();
        }
    }

    /// The next object that is due, once one is; `urgency` tells how those stand whose time
    /// has come. Whoever takes it says when it is [`done`](Self::done). There must be only
    /// one who asks.
    pub async fn next(&self, urgency: impl Fn(&Key) -> i64) -> Key {
        loop {
            let timer = match self.lock().take(&urgency) {
                Ok(key) => return key,
                Err(timer) => timer,
            };
            let changed = self.changed.notified();
            match timer {
                None => changed.await,
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, changed).await;
                }
            }
        }
    }

    /// Ends the look at an object; the next one is after `wait`, or when it is woken.
    pub fn done(&self, key: Key, wait: Option<Duration>) {
        self.lock().done(key, wait);
        self.changed.notify_one();
    }

    /// Forgets when an object that is gone was to be looked at.
    pub fn drop_out(&self, key: &Key) {
        let mut state = self.lock();
        if let Some(Place::Later(at)) = state.places.get(key).copied() {
            state.places.remove(key);
            state.later.remove(&(at, key.clone()));
        }
    }

    /// Whether more is due than is being looked at.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        !self.lock().due.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether it is due now that was not.
    fn wake(&mut self, key: &Key, urgency: i64) -> bool {
        match self.places.entry(key.clone()) {
            Entry::Vacant(place) => {
                place.insert(Place::Due);
            }
            Entry::Occupied(mut place) => match *place.get() {
                Place::Due | Place::InHandAgain(_) => return false,
                Place::InHand => {
                    place.insert(Place::InHandAgain(urgency));
                    return false;
                }
                Place::Later(at) => {
                    place.insert(Place::Due);
                    self.later.remove(&(at, key.clone()));
                }
            },
        }
        self.push(key.clone(), urgency);
        true
    }

    /// The first that is due, or when to ask again.
    fn take(&mut self, urgency: &impl Fn(&Key) -> i64) -> Result<Key, Option<Instant>> {
        let now = Instant::now();
        while self.later.first().is_some_and(|(at, _)| self.instant(*at) <= now) {
            let Some((_, key)) = self.later.pop_first() else { break };
            self.places.insert(key.clone(), Place::Due);
            let urgency = urgency(&key);
            self.push(key, urgency);
        }
        let Some(Reverse((_, _, key))) = self.due.pop() else {
            self.due.shrink_to(IDLE_ROOM);
            return Err(self.later.first().map(|(at, _)| self.instant(*at)));
        };
        self.places.insert(key.clone(), Place::InHand);
        Ok(key)
    }

    fn done(&mut self, key: Key, wait: Option<Duration>) {
        match (self.places.get(&key), wait) {
            (Some(Place::InHandAgain(urgency)), _) => {
                let urgency = *urgency;
                self.places.insert(key.clone(), Place::Due);
                self.push(key, urgency);
            }
            (_, None) => {
                self.places.remove(&key);
            }
            (_, Some(wait)) => {
                let at = self.millis(Instant::now() + wait);
                self.places.insert(key.clone(), Place::Later(at));
                self.later.insert((at, key));
            }
        }
    }

    fn push(&mut self, key: Key, urgency: i64) {
        self.arrivals += 1;
        self.due.push(Reverse((urgency, self.arrivals, key)));
    }

    fn instant(&self, millis: u64) -> Instant {
        self.epoch + Duration::from_millis(millis)
    }

    /// Rounded up, so that nobody is woken too early.
    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch);
        u64::try_from(since.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(name: &str) -> Key {
        Key::new("n", name)
    }

    async fn next(queue: &Queue) -> String {
        queue.next(|_| 7).await.name().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn gives_out_the_most_urgent_first_and_each_once() {
        let queue = Queue::default();
        for (name, urgency) in [("c", 30), ("a", 10), ("b", 20), ("a", 40), ("d", 20)] {
            queue.wake(&key(name), urgency);
        }
        let mut seen = Vec::new();
        while queue.has_backlog() {
            seen.push(next(&queue).await);
        }
        assert_eq!(seen, ["a", "b", "d", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_in_hand_is_looked_at_again_and_not_twice_at_once() {
        let queue = Queue::default();
        queue.wake(&key("a"), 1);
        assert_eq!(next(&queue).await, "a");
        queue.wake(&key("a"), 1);
        assert!(!queue.has_backlog(), "it is in hand");
        queue.done(key("a"), Some(60 * SECOND));
        assert_eq!(next(&queue).await, "a");
        queue.done(key("a"), None);
        assert!(tokio::time::timeout(SECOND, next(&queue)).await.is_err(), "nothing is due");
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_its_time_unless_it_is_woken() {
        let queue = Queue::default();
        for name in ["a", "b", "late"] {
            queue.wake(&key(name), 5);
            next(&queue).await;
        }
        let begun = Instant::now();
        queue.done(key("late"), Some(3600 * SECOND));
        queue.done(key("b"), Some(2 * SECOND));
        queue.done(key("a"), Some(SECOND));
        assert_eq!(next(&queue).await, "a");
        assert!(begun.elapsed() >= SECOND);
        queue.wake(&key("late"), 5);
        assert_eq!(next(&queue).await, "late");
        assert!(begun.elapsed() < 2 * SECOND);
        assert_eq!(next(&queue).await, "b");
    }
}
