//! The order of starts against what it promises, over random histories.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::runtime::schedule::IDLE_CAPACITY;
use crate::runtime::schedule::test_key::NamedKey;

const TENANTS: [&str; 4] = ["a", "b", "c", "d"];

fn order(urgent_at: u64, expires: i64) -> Order {
    Order { urgent_at, expires }
}

/// A due set with `count` keys for each namespace and `urgent_at`.
fn filled(lines: &[(&'static str, u64, u32)]) -> DueSet<NamedKey> {
    let mut set = DueSet::default();
    for (tenant, urgent_at, count) in lines {
        for number in 0..*count {
            set.push(NamedKey(tenant, number), order(*urgent_at, 0), 1);
        }
    }
    set
}

/// The namespaces of the next starts, each ended before the next.
fn starts(set: &mut DueSet<NamedKey>, now: u64, count: usize) -> String {
    let start = |_| {
        let key = set.take(now, 1).unwrap();
        set.release(key.tenant());
        key.tenant().to_owned()
    };
    (0..count).map(start).collect()
}

#[test]
fn one_start_in_four_is_of_the_other_class() {
    let mut set = filled(&[("o", NEVER, 5), ("u", 1, 9)]);
    assert_eq!(starts(&mut set, 1, 14), "uuuouuuouuuooo");
}

#[test]
fn namespaces_take_turns_and_newcomers_go_before_the_one_that_started_last() {
    let mut set = filled(&[("a", NEVER, 5), ("b", NEVER, 3)]);
    assert_eq!(starts(&mut set, 1, 3), "aba");
    set.push(NamedKey("c", 0), order(NEVER, 0), 1);
    set.push(NamedKey("c", 1), order(NEVER, 0), 1);
    assert_eq!(starts(&mut set, 1, 7), "bcabcaa");
}

#[test]
fn a_key_becomes_urgent_when_its_time_comes() {
    let mut set = filled(&[("a", NEVER, 4)]);
    set.push(NamedKey("a", 9), order(50, 99), 1);
    assert_eq!(set.take(49, 9), Some(NamedKey("a", 0)));
    assert_eq!(set.take(50, 9), Some(NamedKey("a", 9)), "although it expires last");
    assert_eq!(set.take(50, 9), Some(NamedKey("a", 1)));
}

#[test]
fn a_namespace_holds_half_of_the_workers_while_another_waits() {
    let mut set = filled(&[("a", 1, 9)]);
    let tenants = |set: &mut DueSet<NamedKey>, count: usize| -> String {
        (0..count).map(|_| set.take(1, 5).unwrap().tenant().to_owned()).collect()
    };
    assert_eq!(tenants(&mut set, 2), "aa");
    for number in 0..3 {
        set.push(NamedKey("b", number), order(NEVER, 0), 1);
    }
    assert_eq!(tenants(&mut set, 3), "abb", "urgent or not");
    set.release("b");
    assert_eq!(tenants(&mut set, 1), "b");
    set.release("b");
    assert_eq!(tenants(&mut set, 1), "a", "no other waits");
    set.push(NamedKey("b", 9), order(NEVER, 0), 1);
    set.release("a");
    assert_eq!(tenants(&mut set, 1), "b", "the next worker that comes free is for the one that waited");
}

#[test]
fn gives_its_memory_back() {
    let mut set = filled(&[("a", 90, 20_000)]);
    for number in 0..5000 {
        set.push(NamedKey("b", number), order(NEVER, number.into()), 1);
    }
    while let Some(key) = set.take(1, 1) {
        set.release(key.tenant());
    }
    assert!(set.waiting.capacity() <= IDLE_CAPACITY && set.tenants.is_empty() && set.promotions.is_empty());
}

#[derive(Clone, Debug)]
enum FairnessOp {
    Push { tenant: usize, urgent_at: u64, expires: i64 },
    Rerank { which: usize, urgent_at: u64, expires: i64 },
    Remove(usize),
    Take,
    Release(usize),
    Advance(u64),
}

fn op() -> impl Strategy<Value = FairnessOp> {
    let urgent_at = || prop_oneof![Just(NEVER), 0..300_u64];
    prop_oneof![
        6 => (0..TENANTS.len(), urgent_at(), 0..5_i64)
            .prop_map(|(tenant, urgent_at, expires)| FairnessOp::Push { tenant, urgent_at, expires }),
        1 => (any::<usize>(), urgent_at(), 0..5_i64)
            .prop_map(|(which, urgent_at, expires)| FairnessOp::Rerank { which, urgent_at, expires }),
        1 => any::<usize>().prop_map(FairnessOp::Remove),
        6 => Just(FairnessOp::Take),
        5 => any::<usize>().prop_map(FairnessOp::Release),
        1 => (0..20_u64).prop_map(FairnessOp::Advance),
    ]
}

/// What is known from outside of a key that is due.
#[derive(Clone, Copy, Debug)]
struct KnownKey {
    key: NamedKey,
    order: Order,
    arrival: u64,
    is_urgent: bool,
    /// How many starts there were when it began to wait in its class.
    since: usize,
}

#[derive(Default)]
struct FairnessModel {
    now: u64,
    due: Vec<KnownKey>,
    in_hand: Vec<NamedKey>,
    /// For each start, whether it was urgent, and whether both classes could have started.
    starts: Vec<(bool, bool)>,
    /// Number of the last start of a namespace in a class.
    last: HashMap<(&'static str, bool), usize>,
}

impl FairnessModel {
    fn held(&self, tenant: &str) -> usize {
        self.in_hand.iter().filter(|key| key.0 == tenant).count()
    }

    fn classify(&mut self) {
        for known in &mut self.due {
            let is_urgent = known.order.urgent_at <= self.now;
            if is_urgent != known.is_urgent {
                (known.is_urgent, known.since) = (is_urgent, self.starts.len());
            }
        }
    }

    fn starts(&mut self, key: NamedKey, width: usize) {
        let Some(index) = self.due.iter().position(|known| known.key == key) else {
            panic!("{key:?} was not due");
        };
        let half = width.div_ceil(2);
        let waiting: BTreeSet<_> = self.due.iter().map(|known| known.key.0).collect();
        let within: BTreeSet<_> = waiting.iter().copied().filter(|it| self.held(it) < half).collect();
        let able = if within.is_empty() { waiting.clone() } else { within };
        let can_start =
            |is_urgent| self.due.iter().any(|it| it.is_urgent == is_urgent && able.contains(it.key.0));
        let is_both = can_start(true) && can_start(false);
        let started = self.due[index];

        assert!(able.contains(key.0), "{key:?} goes beyond half of the workers");
        assert!(self.held(key.0) < half || waiting.len() == 1, "{key:?} takes what another waits for");
        let last_three = || self.starts.iter().rev().take(3);
        if is_both && started.is_urgent {
            let is_overdue = last_three().filter(|(is_urgent, is_both)| *is_urgent && *is_both).count() == 3;
            assert!(!is_overdue, "the other class has no start in four");
        } else if is_both {
            assert!(last_three().filter(|start| start.0).count() == 3, "urgent goes first");
        }
        let in_line = |it: &&KnownKey| it.is_urgent == started.is_urgent;
        let first = self.due.iter().filter(in_line).filter(|it| it.key.0 == key.0);
        let first = first.min_by_key(|it| (it.order.expires, it.arrival)).unwrap();
        assert_eq!(first.key, key, "the soonest goes first");
        let before = self.last.get(&(key.0, started.is_urgent)).copied().unwrap_or(0);
        for other in self.due.iter().filter(in_line).filter(|it| it.key.0 != key.0) {
            let has_started = self.last.get(&(other.key.0, started.is_urgent)) > Some(&before);
            let has_waited = other.since < before && able.contains(other.key.0);
            assert!(has_started || !has_waited, "{key:?} goes twice while {other:?} waits");
        }

        self.due.remove(index);
        self.in_hand.push(key);
        self.starts.push((started.is_urgent, is_both));
        self.last.insert((key.0, started.is_urgent), self.starts.len());
    }
}

/// The parts of the due set agree with each other.
fn assert_consistent(set: &DueSet<NamedKey>, model: &FairnessModel) {
    assert_eq!(set.waiting.len(), model.due.len());
    let lines = || set.tenants.values().flat_map(|share| &share.lines);
    assert_eq!(lines().map(|line| line.keys.len()).sum::<usize>(), model.due.len());
    for class in [Class::Urgent, Class::Other] {
        let waiting = set.tenants.values().filter(|share| !share.lines[class as usize].keys.is_empty());
        assert_eq!(waiting.count(), set.turns[class as usize].len());
    }
    let is_planned =
        |it: &&Waiting<NamedKey>| it.order.class() == Class::Other && it.order.urgent_at != NEVER;
    assert_eq!(set.waiting.values().filter(is_planned).count(), set.promotions.len());
    assert_eq!(set.tenants.values().map(|share| share.in_hand).sum::<usize>(), model.in_hand.len());
    let is_idle = |it: &Share| it.in_hand == 0 && it.lines.iter().all(|line| line.keys.is_empty());
    assert!(!set.tenants.values().any(is_idle));
}

fn run(width: usize, ops: Vec<FairnessOp>) {
    let (mut set, mut model) = (DueSet::default(), FairnessModel::default());
    for (number, op) in (0..).zip(ops) {
        let count = model.due.len();
        match op {
            FairnessOp::Push { tenant, urgent_at, expires } => {
                let (key, order) = (NamedKey(TENANTS[tenant], number), order(urgent_at, expires));
                let arrival = set.push(key, order, model.now);
                let (is_urgent, since) = (urgent_at <= model.now, model.starts.len());
                model.due.push(KnownKey { key, order, arrival, is_urgent, since });
            }
            FairnessOp::Rerank { which, urgent_at, expires } if count > 0 => {
                let known = &mut model.due[which % count];
                known.order = order(urgent_at, expires);
                set.rerank(known.arrival, known.order, model.now);
                let is_urgent = urgent_at <= model.now;
                if is_urgent != known.is_urgent {
                    (known.is_urgent, known.since) = (is_urgent, model.starts.len());
                }
            }
            FairnessOp::Remove(which) if count > 0 => {
                let known = model.due.remove(which % count);
                assert_eq!(set.remove(known.arrival), Some(known.key));
            }
            FairnessOp::Take if model.in_hand.len() < width => {
                model.classify();
                match set.take(model.now, width) {
                    Some(key) => model.starts(key, width),
                    None => assert!(model.due.is_empty(), "a worker stays free while a key is due"),
                }
            }
            FairnessOp::Release(which) if !model.in_hand.is_empty() => {
                let key = model.in_hand.swap_remove(which % model.in_hand.len());
                set.release(key.tenant());
            }
            FairnessOp::Advance(by) => model.now += by,
            FairnessOp::Rerank { .. } | FairnessOp::Remove(_) | FairnessOp::Take | FairnessOp::Release(_) => {
            }
        }
        assert_consistent(&set, &model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn keeps_the_order_that_it_promises(width in 1..7_usize, ops in prop::collection::vec(op(), 1..200)) {
        run(width, ops);
    }
}
