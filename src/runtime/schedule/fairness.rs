//! The keys that are due, and which of them starts next. Uses no clock, no lock and no task.
//!
//! # Guarantees
//! - Urgent keys start before the others. While keys of both classes can start, one start in four is of
//!   the other class. A key becomes urgent by itself when its time comes.
//! - In each class namespaces take turns. Between two starts of one namespace, every other namespace that
//!   could start and was waiting all the time has had a start. A namespace that begins to wait starts
//!   before the remaining keys of the namespace that started last.
//! - Within a namespace the key that expires soonest starts first, then the one that arrived first.
//! - A namespace holds at most half of the workers, rounded up, while another namespace waits.
//!
//! # Caveats
//! A namespace that waits alone may take all workers. Another one that begins to wait then gets the next
//! free worker. It waits for as long as one reconcile takes, at most.
//!
//! Each operation takes `O(log n)` in the number of due keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::runtime::schedule::{Tenant, trim};

/// After this many urgent starts in a row, a key of the other class starts.
const URGENT_IN_A_ROW: u32 = 3;

/// A rank, with its time in the milliseconds of the queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Order {
    /// When the key becomes urgent; [`NEVER`] if it never does.
    pub(super) urgent_at: u64,
    /// When what the key stands for expires.
    pub(super) expires: i64,
}

/// The `urgent_at` of a key that never becomes urgent.
pub(super) const NEVER: u64 = u64::MAX;
/// The `urgent_at` of keys that are already urgent.
const ALREADY: u64 = 0;

/// The keys that are due.
#[derive(Debug)]
pub(super) struct DueSet<K> {
    /// The due keys, by the number of their arrival.
    waiting: HashMap<u64, Waiting<K>>,
    /// When the keys that are not urgent yet become urgent, with their arrival.
    promotions: BTreeSet<(u64, u64)>,
    /// The namespaces that have waiting keys or hold workers.
    tenants: HashMap<Arc<str>, Share>,
    /// For each class, the order of the namespaces that wait in it.
    turns: [BTreeMap<Turn, Arc<str>>; 2],
    arrivals: u64,
    starts: u64,
    /// The number of urgent starts in a row while a key of the other class waited.
    urgent_in_a_row: u32,
}

#[derive(Debug)]
struct Waiting<K> {
    key: K,
    order: Order,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Class {
    Urgent,
    Other,
}

/// The place of a namespace in the order: the number of the last start when it got this place, whether
/// that start was its own, and the arrival of its key. A namespace that begins to wait after a start is
/// thus before the namespace of that start, and after all namespaces that already waited.
type Turn = (u64, bool, u64);

/// The workers and the waiting keys of a namespace.
#[derive(Debug)]
struct Share {
    name: Arc<str>,
    in_hand: usize,
    lines: [WaitingKeys; 2],
}

/// The keys of a namespace that wait in one class.
#[derive(Debug, Default)]
struct WaitingKeys {
    turn: Turn,
    keys: BTreeSet<(i64, u64)>,
}

impl Order {
    fn class(self) -> Class {
        if self.urgent_at == ALREADY { Class::Urgent } else { Class::Other }
    }

    fn at(self, now: u64) -> Self {
        if self.urgent_at <= now { Self { urgent_at: ALREADY, ..self } } else { self }
    }
}

impl<K> Default for DueSet<K> {
    fn default() -> Self {
        Self {
            waiting: HashMap::new(),
            promotions: BTreeSet::new(),
            tenants: HashMap::new(),
            turns: Default::default(),
            arrivals: 0,
            starts: 0,
            urgent_in_a_row: 0,
        }
    }
}

impl<K: Tenant> DueSet<K> {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds a key that has become due, and returns the number of its arrival.
    pub(super) fn push(&mut self, key: K, order: Order, now: u64) -> u64 {
        self.arrivals += 1;
        self.insert(self.arrivals, key, order.at(now));
        self.arrivals
    }

    /// Removes a key without starting it.
    pub(super) fn remove(&mut self, arrival: u64) -> Option<K> {
        let Waiting { key, order } = self.waiting.remove(&arrival)?;
        trim(&mut self.waiting);
        self.promotions.remove(&(order.urgent_at, arrival));
        if let Some(share) = self.tenants.get_mut(key.tenant()) {
            let line = &mut share.lines[order.class() as usize];
            line.keys.remove(&(order.expires, arrival));
            if line.keys.is_empty() {
                self.turns[order.class() as usize].remove(&line.turn);
            }
        }
        self.forget_idle(key.tenant());
        Some(key)
    }

    /// Gives a key another rank. Its arrival stays, and its namespace keeps its turn in the class.
    pub(super) fn rerank(&mut self, arrival: u64, order: Order, now: u64) {
        let order = order.at(now);
        let Some(waiting) = self.waiting.get_mut(&arrival) else { return };
        let before = waiting.order;
        if before.class() != order.class() {
            if let Some(key) = self.remove(arrival) {
                self.insert(arrival, key, order);
            }
            return;
        }
        waiting.order = order;
        if let Some(share) = self.tenants.get_mut(waiting.key.tenant()) {
            let keys = &mut share.lines[order.class() as usize].keys;
            keys.remove(&(before.expires, arrival));
            keys.insert((order.expires, arrival));
        }
        self.promotions.remove(&(before.urgent_at, arrival));
        self.plan_promotion(arrival, order);
    }

    /// Takes the key that starts next on one of `width` workers, of which at least one is free. The key
    /// counts for its namespace until it is [`release`](Self::release)d.
    pub(super) fn take(&mut self, now: u64, width: usize) -> Option<K> {
        self.promote(now);
        let (class, turn) = self.choose(width.div_ceil(2).max(1))?;
        let is_other_waiting = !self.turns[Class::Other as usize].is_empty();
        self.urgent_in_a_row =
            if class == Class::Urgent && is_other_waiting { self.urgent_in_a_row + 1 } else { 0 };
        self.starts += 1;
        let turns = &mut self.turns[class as usize];
        let share = self.tenants.get_mut(&turns.remove(&turn)?)?;
        let line = &mut share.lines[class as usize];
        let (_, arrival) = line.keys.pop_first()?;
        if !line.keys.is_empty() {
            line.turn = (self.starts, true, 0);
            turns.insert(line.turn, share.name.clone());
        }
        share.in_hand += 1;
        let Waiting { key, order } = self.waiting.remove(&arrival)?;
        trim(&mut self.waiting);
        self.promotions.remove(&(order.urgent_at, arrival));
        Some(key)
    }

    /// Notes that a worker is done with a key of `tenant`.
    pub(super) fn release(&mut self, tenant: &str) {
        if let Some(share) = self.tenants.get_mut(tenant) {
            share.in_hand = share.in_hand.saturating_sub(1);
        }
        self.forget_idle(tenant);
    }

    /// The class that starts next, and the turn in it. A namespace that holds `half` of the workers is
    /// chosen only if no other namespace waits. With a free worker there is at most one such namespace,
    /// so the search takes at most two steps.
    fn choose(&self, half: usize) -> Option<(Class, Turn)> {
        let first = |class: Class, most: usize| {
            let holds_less = |name: &Arc<str>| self.tenants.get(name).is_some_and(|it| it.in_hand < most);
            let mut turns = self.turns[class as usize].iter();
            turns.find(|(_, name)| holds_less(name)).map(|(turn, _)| (class, *turn))
        };
        let (urgent, other) = match (first(Class::Urgent, half), first(Class::Other, half)) {
            (None, None) => (first(Class::Urgent, usize::MAX), first(Class::Other, usize::MAX)),
            within_half => within_half,
        };
        if self.urgent_in_a_row >= URGENT_IN_A_ROW { other.or(urgent) } else { urgent.or(other) }
    }

    fn promote(&mut self, now: u64) {
        while let Some((_, arrival)) = self.promotions.first().filter(|(at, _)| *at <= now).copied() {
            let Some(waiting) = self.waiting.get(&arrival) else { return };
            self.rerank(arrival, waiting.order, now);
        }
    }

    fn insert(&mut self, arrival: u64, key: K, order: Order) {
        if !self.tenants.contains_key(key.tenant()) {
            let name: Arc<str> = key.tenant().into();
            self.tenants.insert(name.clone(), Share { name, in_hand: 0, lines: Default::default() });
        }
        if let Some(share) = self.tenants.get_mut(key.tenant()) {
            let line = &mut share.lines[order.class() as usize];
            if line.keys.is_empty() {
                line.turn = (self.starts, false, arrival);
                self.turns[order.class() as usize].insert(line.turn, share.name.clone());
            }
            line.keys.insert((order.expires, arrival));
        }
        self.waiting.insert(arrival, Waiting { key, order });
        self.plan_promotion(arrival, order);
    }

    fn plan_promotion(&mut self, arrival: u64, order: Order) {
        if order.class() == Class::Other && order.urgent_at != NEVER {
            self.promotions.insert((order.urgent_at, arrival));
        }
    }

    fn forget_idle(&mut self, tenant: &str) {
        let is_idle =
            |share: &Share| share.in_hand == 0 && share.lines.iter().all(|line| line.keys.is_empty());
        if self.tenants.get(tenant).is_some_and(is_idle) {
            self.tenants.remove(tenant);
            trim(&mut self.tenants);
        }
    }
}

#[cfg(test)]
mod tests;
