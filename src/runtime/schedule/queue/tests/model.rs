//! No key is lost or handed out twice, over random histories against a simple model.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
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

fn op() -> impl Strategy<Value = Op> {
    let cause = prop_oneof![Just(Cause::Timer), Just(Cause::Woken), Just(Cause::SafetyNet)];
    prop_oneof![
        4 => (0..8_u32).prop_map(Op::Wake),
        1 => (0..8_u32).prop_map(Op::Remove),
        1 => any::<usize>().prop_map(Op::RemoveUnlessWoken),
        2 => (0..8_u32, 0..9_i64).prop_map(|(key, expires)| Op::Rank(key, expires)),
        5 => Just(Op::Take),
        5 => (any::<usize>(), 0..9000_u64, cause).prop_map(|(which, at, cause)| Op::Done(which, at, cause)),
        3 => (0..4000_u64).prop_map(Op::Advance),
    ]
}

/// Where a key is, and for a due one the rank that it had when that was asked for last.
#[derive(Clone, Copy, Debug)]
enum Known {
    Later { at: u64, cause: Cause },
    Due { cause: Cause, expires: Option<i64> },
    InHand(Since),
}

/// Microseconds before the start, so that a time can be in the past from the beginning.
const PAST: u64 = 1000;

#[derive(Default)]
struct Model {
    now: u64,
    known: BTreeMap<Key, Known>,
    expires: BTreeMap<Key, i64>,
}

impl Model {
    /// Times are met up to a millisecond late, never early.
    fn collect(&mut self) {
        for known in self.known.values_mut() {
            if let Known::Later { at, cause } = *known
                && at.div_ceil(1000) <= self.now / 1000
            {
                *known = Known::Due { cause, expires: None };
            }
        }
    }

    fn wake(&mut self, key: Key) {
        self.collect();
        let known = self.known.entry(key).or_insert(Known::Due { cause: Cause::Woken, expires: None });
        *known = match *known {
            Known::Later { .. } => Known::Due { cause: Cause::Woken, expires: None },
            Known::Due { cause, .. } => Known::Due { cause: cause.max(Cause::Woken), expires: None },
            Known::InHand(_) => Known::InHand(Since::Woken),
        };
    }

    fn done(&mut self, key: Key, at: u64, cause: Cause) {
        let due = |cause| Known::Due { cause, expires: None };
        let known = match (self.known[&key], at <= self.now) {
            (Known::InHand(Since::Nothing), false) => Known::Later { at, cause },
            (Known::InHand(Since::Nothing), true) => due(cause),
            (Known::InHand(Since::Woken), false) => due(Cause::Woken),
            (Known::InHand(Since::Woken), true) => due(cause.max(Cause::Woken)),
            (Known::InHand(Since::Removed), _) => {
                self.known.remove(&key);
                return;
            }
            (Known::Later { .. } | Known::Due { .. }, _) => panic!("{key:?} is not in hand"),
        };
        self.known.insert(key, known);
    }

    fn in_hand(&self) -> Vec<Key> {
        let in_hand = self.known.iter().filter(|(_, known)| matches!(known, Known::InHand(_)));
        in_hand.map(|(key, _)| *key).collect()
    }

    fn assert_starts(&mut self, taken: Option<&Job<Key>>) {
        self.collect();
        let mut due = Vec::new();
        for (key, known) in &mut self.known {
            if let Known::Due { expires, cause } = known {
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
        self.known.insert(job.key, Known::InHand(Since::Nothing));
    }
}

async fn run(ops: Vec<Op>) {
    let ranks: Arc<Mutex<BTreeMap<Key, i64>>> = Arc::default();
    let shared = ranks.clone();
    let begun = Instant::now();
    tokio::time::advance(Duration::from_micros(PAST)).await;
    let queue = Queue::new(move |key| {
        let expires = shared.lock().unwrap().get(key).copied().unwrap_or(0);
        Rank { urgent_at: None, expires }
    });
    queue.lock().epoch = begun;
    let mut model = Model { now: PAST, ..Model::default() };
    // At the end everything ends, and every key that was not removed comes once more.
    let end = [Op::Advance(HOUR.as_secs() * 1_000_000)].into_iter().chain((0..9).map(|_| Op::Take));
    let dones = (0..9).map(|_| Op::Done(0, 9000, Cause::Timer));
    for op in ops.into_iter().chain(dones).chain(end) {
        let in_hand = model.in_hand();
        match op {
            Op::Wake(number) => {
                queue.wake(&Key("n", number));
                model.wake(Key("n", number));
            }
            Op::Remove(number) => {
                let key = Key("n", number);
                queue.remove(&key);
                match model.known.get_mut(&key) {
                    Some(Known::InHand(since)) => *since = Since::Removed,
                    Some(_) => drop(model.known.remove(&key)),
                    None => {}
                }
            }
            Op::RemoveUnlessWoken(which) if !in_hand.is_empty() => {
                let key = in_hand[which % in_hand.len()];
                queue.remove_unless_woken(&key);
                if let Some(Known::InHand(since @ Since::Nothing)) = model.known.get_mut(&key) {
                    *since = Since::Removed;
                }
            }
            Op::Rank(number, expires) => {
                ranks.lock().unwrap().insert(Key("n", number), expires);
                model.expires.insert(Key("n", number), expires);
            }
            Op::Take => {
                let taken = take(&queue);
                model.assert_starts(taken.as_ref());
            }
            Op::Done(which, at, cause) if !in_hand.is_empty() => {
                let (key, at) = (in_hand[which % in_hand.len()], model.now - PAST + at);
                queue.done(&key, Next { at: begun + Duration::from_micros(at), cause });
                model.done(key, at, cause);
            }
            Op::Advance(by) => {
                tokio::time::advance(Duration::from_micros(by)).await;
                model.now += by;
            }
            Op::RemoveUnlessWoken(_) | Op::Done(..) => {}
        }
        assert_eq!(queue.lock().places.len(), model.known.len());
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
