//! Random histories against a model of the API server, and the rules one by one.

mod checks;
mod history;
mod server;
mod watches;

use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;

use self::history::{CacheHistory, CallKind, HistoryStep, SCOPES};
use self::server::{ScopedName, Value};
use super::{AnswerOutcome, Change, ListEnd, Ticket, VersionedCache};

const NAMES: u8 = 2;

/// All keys of the histories.
fn keys() -> impl Iterator<Item = ScopedName> {
    (0..SCOPES).flat_map(|scope| (0..NAMES).map(move |name| (scope, name)))
}

/// The steps by weight. Numbers instead of one strategy a step: a union of strategies takes
/// ten times as long to draw from.
fn step(kinds: Range<u8>) -> impl Strategy<Value = HistoryStep> {
    (kinds, 0..SCOPES, 0..NAMES, 0..12_usize).prop_map(|(kind, scope, name, choice)| {
        let key = (scope, name);
        match kind {
            0..50 => HistoryStep::Watch { scope, choice },
            50..60 => HistoryStep::Put(key),
            60..70 => HistoryStep::Delete(key),
            70..74 => HistoryStep::Begin(key, CallKind::Create),
            74..78 => HistoryStep::Begin(key, CallKind::Update),
            78..81 => HistoryStep::Begin(key, CallKind::Repeat),
            81..84 => HistoryStep::Begin(key, CallKind::Read),
            84..104 => HistoryStep::CarryOut(choice),
            104..119 => HistoryStep::Answer(choice),
            119..122 => HistoryStep::Cancel(choice),
            122..130 => HistoryStep::Break(scope),
            130..132 => HistoryStep::Remove(key),
            132 => HistoryStep::Clear,
            133 => HistoryStep::Quiet { answers_first: choice.is_multiple_of(2) },
            _ => HistoryStep::Restore(choice as u64 + 1),
        }
    })
}

fn run(steps: &[HistoryStep], answers_first: bool) {
    let mut history = CacheHistory::new();
    for step in steps.iter().chain([&HistoryStep::Quiet { answers_first }]) {
        history.step(step);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_cache_follows_the_server(steps in vec(step(0..134), 1..120), answers_first: bool) {
        run(&steps, answers_first);
    }

    #[test]
    fn the_cache_follows_a_server_that_is_restored(steps in vec(step(0..137), 1..120), answers_first: bool) {
        run(&steps, answers_first);
    }
}

fn cache() -> VersionedCache<ScopedName, Value, u8> {
    VersionedCache::new(|key: &ScopedName| key.0)
}

fn value(version: u64) -> Value {
    Value { version, branch: 0 }
}

const KEY: ScopedName = (0, 0);

/// What becomes of the answer to a write that `meanwhile` happens during.
fn answer_after(
    held: Option<u64>,
    meanwhile: impl Fn(&mut VersionedCache<ScopedName, Value, u8>),
) -> AnswerOutcome<Value> {
    let mut cache = cache();
    if let Some(version) = held {
        let _ = cache.observe(KEY, value(version));
    }
    let ticket = cache.begin_write(KEY, held);
    meanwhile(&mut cache);
    cache.answer(ticket, value(10))
}

#[test]
fn an_answer_is_taken_in() {
    assert_eq!(answer_after(None, |_| ()), AnswerOutcome::Taken(Change::Inserted));
    assert_eq!(answer_after(Some(5), |_| ()), AnswerOutcome::Taken(Change::Replaced(value(5))));
    for version in [10, 11] {
        let newer = answer_after(None, |cache| drop(cache.observe(KEY, value(version))));
        assert_eq!(newer, AnswerOutcome::Taken(Change::Nothing), "{version}");
    }
    // What happens to other keys and in other scopes is no reason to doubt it.
    let elsewhere = answer_after(None, |cache| {
        cache.observe_deleted(&(0, 1), 11);
        cache.begin_list(&1);
        cache.clear(&1);
    });
    assert_eq!(elsewhere, AnswerOutcome::Taken(Change::Inserted));
}

#[test]
fn an_answer_that_is_overtaken_by_a_deletion_is_dropped() {
    let deleted = |cache: &mut VersionedCache<_, _, _>| {
        cache.observe_deleted(&KEY, 11);
    };
    assert_eq!(answer_after(None, deleted), AnswerOutcome::Dropped);
    assert_eq!(answer_after(Some(5), deleted), AnswerOutcome::Dropped);
    let removed = |cache: &mut VersionedCache<_, _, _>| {
        cache.remove(&KEY, u64::MAX);
    };
    assert_eq!(answer_after(Some(5), removed), AnswerOutcome::Dropped);
    assert_eq!(answer_after(None, |cache| cache.begin_list(&0)), AnswerOutcome::Dropped);
    // The deletion was that of a predecessor.
    let created_again = answer_after(Some(5), |cache| {
        cache.observe_deleted(&KEY, 7);
        let _ = cache.observe(KEY, value(9));
    });
    assert_eq!(created_again, AnswerOutcome::Taken(Change::Replaced(value(9))));
}

#[test]
fn an_answer_during_a_list_is_kept_only_if_the_list_shows_the_object() {
    for is_listed in [true, false] {
        let mut cache = cache();
        cache.begin_list(&0);
        let ticket = cache.begin_write(KEY, None);
        assert_eq!(cache.answer(ticket, value(10)), AnswerOutcome::Taken(Change::Inserted));
        if is_listed {
            assert_eq!(cache.observe(KEY, value(9)), Change::Nothing);
        }
        let removed = if is_listed { vec![] } else { vec![(KEY, value(10))] };
        assert_eq!(cache.end_list(&0), ListEnd { removed, is_restored: false });
    }
}

#[test]
fn a_list_that_breaks_off_removes_nothing() {
    let mut cache = cache();
    for name in 0..3 {
        let _ = cache.observe((0, name), value(u64::from(name) + 1));
    }
    cache.begin_list(&0);
    let _ = cache.observe((0, 0), value(1));
    cache.begin_list(&0);
    assert_eq!(cache.len(), 3);
    assert!(cache.confirm(&(0, 1), 2));
    let mut removed = cache.end_list(&0).removed;
    removed.sort_by_key(|(key, _)| *key);
    assert_eq!(removed, [((0, 0), value(1)), ((0, 2), value(3))]);
    assert_eq!(cache.end_list(&0).removed, [], "a list that was not begun");
    assert_eq!(cache.len(), 1);
}

#[test]
fn tells_that_the_server_went_back() {
    let mut cache = cache();
    let _ = cache.observe(KEY, value(5));
    let _ = cache.observe((0, 1), value(20));
    let write = |cache: &mut VersionedCache<_, _, _>, onto| cache.begin_write(KEY, onto);
    // A create has a version of its own; a write that changes nothing leaves the old one.
    for (onto, version, expected) in
        [(None, 20, true), (None, 21, false), (Some(5), 5, false), (Some(5), 6, true), (Some(5), 21, false)]
    {
        assert_eq!(write(&mut cache, onto).shows_restore(version), expected, "{onto:?}: {version}");
    }
    // Answers count, too, even before the watch gets that far.
    let ticket = write(&mut cache, Some(20));
    assert_eq!(cache.answer(ticket, value(30)), AnswerOutcome::Taken(Change::Replaced(value(5))));
    assert!(write(&mut cache, None).shows_restore(25));
    // A read is compared with what it was sent after, not with what came since.
    let (before, unheld) = (cache.begin_read(KEY), cache.begin_read((0, 2)));
    let _ = cache.observe(KEY, value(31));
    assert!(before.shows_restore(29) && !before.shows_restore(30) && !unheld.shows_restore(1));
    assert!(cache.begin_read(KEY).shows_restore(30));

    // A list that is older than what the watch has shown.
    cache.begin_list(&0);
    assert_eq!(cache.observe(KEY, value(30)), Change::Nothing);
    assert!(cache.end_list(&0).is_restored);

    // The answers to what was sent before have no meaning afterwards.
    let ticket = write(&mut cache, None);
    cache.clear(&0);
    assert!(!before.shows_restore(4) && !ticket.shows_restore(4));
    assert_eq!(cache.answer(ticket, value(32)), AnswerOutcome::Dropped);
    let ticket = write(&mut cache, None);
    assert_eq!(cache.answer(ticket, value(7)), AnswerOutcome::Taken(Change::Inserted));
}

#[test]
fn a_list_can_be_older_than_an_answer() {
    let mut cache = cache();
    let ticket = cache.begin_write(KEY, None);
    assert_eq!(cache.answer(ticket, value(10)), AnswerOutcome::Taken(Change::Inserted));
    cache.begin_list(&0);
    assert_eq!(cache.observe(KEY, value(9)), Change::Nothing);
    assert_eq!(cache.end_list(&0), ListEnd { removed: vec![], is_restored: false });
}

#[test]
fn calls_that_end_without_an_answer_are_forgotten() {
    let mut cache = cache();
    let tickets: Vec<Ticket<ScopedName>> = (0..32).map(|name| cache.begin_write((0, name), None)).collect();
    assert_eq!(cache.calls_under_way(), 32);
    drop(tickets);
    assert_eq!(cache.calls_under_way(), 0);
    let ticket = cache.begin_read(KEY);
    assert_eq!(cache.calls.remembered(), 1);
    assert!(
        cache.answer(ticket, value(1)) == AnswerOutcome::Taken(Change::Inserted)
            && cache.calls.remembered() == 0
    );
}

#[test]
fn memory_is_given_back() {
    let mut cache = VersionedCache::new(|_: &u64| 0);
    let capacity = |cache: &VersionedCache<u64, Value>| cache.scopes[&0].entries.capacity();
    let fill = |cache: &mut VersionedCache<u64, Value>| {
        (0..10_000).for_each(|key| drop(cache.observe(key, value(key + 1))));
        assert!(capacity(cache) >= 10_000);
    };
    fill(&mut cache);
    for key in 10..10_000 {
        cache.observe_deleted(&key, key + 1);
    }
    assert!(capacity(&cache) < 100);
    fill(&mut cache);
    cache.begin_list(&0);
    assert_eq!(cache.end_list(&0).removed.len(), 10_000);
    assert!(capacity(&cache) < 100);
}
