//! No key is lost or handed out twice, over random histories against a simple model.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum QueueOp {
    Wake(u32),
    Remove(u32),
    RemoveUnlessWoken(usize),
    Rank(u32, i64),
    Take,
    /// Microseconds before (to 1000) or after now.
    Done(usize, u64, Cause),
    /// Microseconds.
    Advance(u64),
}

fn op() -> impl Strategy<Value = QueueOp> {
    let cause = prop_oneof![Just(Cause::Timer), Just(Cause::Woken), Just(Cause::SafetyNet)];
    prop_oneof![
        4 => (0..8_u32).prop_map(QueueOp::Wake),
        1 => (0..8_u32).prop_map(QueueOp::Remove),
        1 => any::<usize>().prop_map(QueueOp::RemoveUnlessWoken),
        2 => (0..8_u32, 0..9_i64).prop_map(|(key, expires)| QueueOp::Rank(key, expires)),
        5 => Just(QueueOp::Take),
        5 => (any::<usize>(), 0..9000_u64, cause).prop_map(|(which, at, cause)| QueueOp::Done(which, at, cause)),
        3 => (0..4000_u64).prop_map(QueueOp::Advance),
    ]
}

/// Where a key is, and for a due one the rank that it had when that was asked for last.
#[derive(Clone, Copy, Debug)]
enum KnownPlace {
    Later { at: u64, cause: Cause },
    Due { cause: Cause, expires: Option<i64> },
    InHand(Since),
}

/// Microseconds before the start, so that a time can be in the past from the beginning.
const PAST: u64 = 1000;

#[derive(Default)]
struct QueueModel {
    now: u64,
    known: BTreeMap<NamedKey, KnownPlace>,
    expires: BTreeMap<NamedKey, i64>,
}

impl QueueModel {
    /// Times are met up to a millisecond late, never early.
    fn collect(&mut self) {
        for known in self.known.values_mut() {
            if let KnownPlace::Later { at, cause } = *known
                && at.div_ceil(1000) <= self.now / 1000
            {
                *known = KnownPlace::Due { cause, expires: None };
            }
        }
    }

    fn wake(&mut self, key: NamedKey) {
        self.collect();
        let known = self.known.entry(key).or_insert(KnownPlace::Due { cause: Cause::Woken, expires: None });
        *known = match *known {
            KnownPlace::Later { .. } => KnownPlace::Due { cause: Cause::Woken, expires: None },
            KnownPlace::Due { cause, .. } => {
                KnownPlace::Due { cause: cause.max(Cause::Woken), expires: None }
            }
            KnownPlace::InHand(_) => KnownPlace::InHand(Since::Woken),
        };
    }

    fn done(&mut self, key: NamedKey, at: u64, cause: Cause) {
        let due = |cause| KnownPlace::Due { cause, expires: None };
        let known = match (self.known[&key], at <= self.now) {
            (KnownPlace::InHand(Since::Nothing), false) => KnownPlace::Later { at, cause },
            (KnownPlace::InHand(Since::Nothing), true) => due(cause),
            (KnownPlace::InHand(Since::Woken), false) => due(Cause::Woken),
            (KnownPlace::InHand(Since::Woken), true) => due(cause.max(Cause::Woken)),
            (KnownPlace::InHand(Since::Removed), _) => {
                self.known.remove(&key);
                return;
            }
            (KnownPlace::Later { .. } | KnownPlace::Due { .. }, _) => panic!("{key:?} is not in hand"),
        };
        self.known.insert(key, known);
    }

    fn in_hand(&self) -> Vec<NamedKey> {
        let in_hand = self.known.iter().filter(|(_, known)| matches!(known, KnownPlace::InHand(_)));
        in_hand.map(|(key, _)| *key).collect()
    }

    fn assert_starts(&mut self, taken: Option<&Job<NamedKey>>) {
        self.collect();
        let mut due = Vec::new();
        for (key, known) in &mut self.known {
            if let KnownPlace::Due { expires, cause } = known {
                let expires = *expires.get_or_insert(self.expires.get(key).copied().unwrap_or(0));
                due.push((*key, expires, *cause));
            }
        }
        let Some(job) = taken else {
            assert!(due.is_empty(), "{due:?} are due");
            return;
        };
        let Some((_, expires, cause)) = due.iter().find(|(key, ..)| *key == job.key) else {
            panic!("{job:?} is not due");
        };
        assert_eq!(*cause, job.cause, "{job:?}");
        assert!(due.iter().all(|(_, other, _)| other >= expires), "{job:?} is not the first of {due:?}");
        self.known.insert(job.key, KnownPlace::InHand(Since::Nothing));
    }
}

async fn run(ops: Vec<QueueOp>) {
    let ranks: Arc<Mutex<BTreeMap<NamedKey, i64>>> = Arc::default();
    let shared = ranks.clone();
    let begun = Instant::now();
    tokio::time::advance(Duration::from_micros(PAST)).await;
    let queue = Queue::new(move |key| {
        let expires = shared.lock().unwrap().get(key).copied().unwrap_or(0);
        Rank { urgent_at: None, expires }
    });
    queue.lock().epoch = begun;
    let mut model = QueueModel { now: PAST, ..QueueModel::default() };
    // At the end everything ends, and every key that was not removed comes once more.
    let end = [QueueOp::Advance(HOUR.as_secs() * 1_000_000)].into_iter().chain((0..9).map(|_| QueueOp::Take));
    let dones = (0..9).map(|_| QueueOp::Done(0, 9000, Cause::Timer));
    for op in ops.into_iter().chain(dones).chain(end) {
        let in_hand = model.in_hand();
        match op {
            QueueOp::Wake(number) => {
                queue.wake(&NamedKey("n", number));
                model.wake(NamedKey("n", number));
            }
            QueueOp::Remove(number) => {
                let key = NamedKey("n", number);
                queue.remove(&key);
                match model.known.get_mut(&key) {
                    Some(KnownPlace::InHand(since)) => *since = Since::Removed,
                    Some(_) => drop(model.known.remove(&key)),
                    None => {}
                }
            }
            QueueOp::RemoveUnlessWoken(which) if !in_hand.is_empty() => {
                let key = in_hand[which % in_hand.len()];
                queue.remove_unless_woken(&key);
                if let Some(KnownPlace::InHand(since @ Since::Nothing)) = model.known.get_mut(&key) {
                    *since = Since::Removed;
                }
            }
            QueueOp::Rank(number, expires) => {
                ranks.lock().unwrap().insert(NamedKey("n", number), expires);
                model.expires.insert(NamedKey("n", number), expires);
            }
            QueueOp::Take => {
                let taken = take(&queue);
                model.assert_starts(taken.as_ref());
            }
            QueueOp::Done(which, at, cause) if !in_hand.is_empty() => {
                let (key, at) = (in_hand[which % in_hand.len()], model.now - PAST + at);
                queue.done(&key, NextRun { at: begun + Duration::from_micros(at), cause });
                model.done(key, at, cause);
            }
            QueueOp::Advance(by) => {
                tokio::time::advance(Duration::from_micros(by)).await;
                model.now += by;
            }
            QueueOp::RemoveUnlessWoken(_) | QueueOp::Done(..) => {}
        }
        assert_eq!(queue.lock().states.len(), model.known.len());
    }
    assert_eq!(model.in_hand().len(), model.known.len(), "the rest is lost");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn nothing_is_lost_or_handed_out_twice(ops in prop::collection::vec(op(), 1..120)) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(run(ops));
    }
}
