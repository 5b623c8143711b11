//! The keys that are due, and which of them starts next. No clock, no lock, no task.
//!
//! # Guarantees
//! - Urgent keys go before the others, but while both classes can start, one start in four is
//!   of the other class. A key becomes urgent by itself when its time comes.
//! - In each class namespaces take turns: between two starts of one, every other that could
//!   start and was waiting all the time has had one. A namespace that begins to wait goes
//!   before what waits on of the one that started last.
//! - Within a namespace the key that expires soonest goes first, then the one that came first.
//! - A namespace holds at most half of the workers, rounded up, while another one waits.
//!
//! # Caveats
//! A namespace that waits alone may take all workers. One that begins to wait then gets the
//! next worker that comes free, so it waits for as long as one reconcile takes, at most.
//!
//! Each operation takes `O(log n)` of the keys that are due.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::runtime::schedule::{Tenant, trim};

/// After how many urgent starts in a row one of the other class is due.
const URGENT_IN_A_ROW: u32 = 3;

/// A rank with its time in the queue's milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Order {
    /// When the key becomes urgent; [`NEVER`] if it does not.
    pub(super) urgent_at: u64,
    /// When it expires.
    pub(super) expires: i64,
}

/// The `urgent_at` of a key that never becomes urgent.
pub(super) const NEVER: u64 = u64::MAX;
/// The `urgent_at` of keys that are urgent already.
const ALREADY: u64 = 0;

/// The keys that are due.
#[derive(Debug)]
pub(super) struct DueSet<K> {
    /// By the number of their arrival.
    waiting: HashMap<u64, Waiting<K>>,
    /// When those that are not urgent yet become so.
    promotions: BTreeSet<(u64, u64)>,
    /// The namespaces that wait or hold workers.
    tenants: HashMap<Arc<str>, Share>,
    /// For each class, whose turn it is among the namespaces that wait in it.
    turns: [BTreeMap<Turn, Arc<str>>; 2],
    arrivals: u64,
    starts: u64,
    /// Urgent starts in a row for which another class had to wait.
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

/// The number of the last start when the namespace was given this turn, whether that start was
/// its own, and the arrival of its key: so whoever began to wait since the last start goes
/// before the namespace that it was of, and after all who waited before.
type Turn = (u64, bool, u64);

/// What a namespace has of the schedule.
#[derive(Debug)]
struct Share {
    name: Arc<str>,
    in_hand: usize,
    lines: [Line; 2],
}

/// The keys of a namespace that wait in one class.
#[derive(Debug, Default)]
struct Line {
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

    /// Adds a key that has become due, and says under which number it can be found.
    pub(super) fn push(&mut self, key: K, order: Order, now: u64) -> u64 {
        self.arrivals += 1;
        self.insert(self.arrivals, key, order.at(now));
        self.arrivals
    }

    /// Takes out a key that is not to start.
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

    /// Gives a key another rank. Its arrival stays, and its namespace keeps its turn.
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

    /// The key that starts next on one of `width` workers, of which one is free. It counts for
    /// its namespace until it is [`release`](Self::release)d.
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

    /// Tells that a key of `tenant` that was taken is in hand no more.
    pub(super) fn release(&mut self, tenant: &str) {
        if let Some(share) = self.tenants.get_mut(tenant) {
            share.in_hand = share.in_hand.saturating_sub(1);
        }
        self.forget_idle(tenant);
    }

    /// The class that starts next, and whose turn it is there. A namespace that holds `half` of
    /// the workers comes only where no other waits. With a free worker there is one such
    /// namespace at most, so that looking for it takes two steps.
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
