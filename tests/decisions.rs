//! Properties of the decisions: of every lifetime, every credential and every edit, and of
//! days of them in a row. Tables of single cases stand beside the code in `src/domain`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may end here")]

#[path = "decisions/arbitrary.rs"]
mod arbitrary;
#[path = "decisions/course.rs"]
mod course;
#[path = "decisions/judge.rs"]
mod judge;
#[path = "decisions/life.rs"]
mod life;
#[path = "decisions/model.rs"]
mod model;

use std::cell::Cell;

use jiff::Timestamp;
use presign_operator::crd::duration::{self, DurationText};
use presign_operator::domain::Validity;
use presign_operator::domain::decision::{Decision, WaitReason};
use presign_operator::domain::request::Overlap;
use presign_operator::{crd, domain};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner, contextualize_config};

use self::arbitrary::{Edit, Event, Touch, credentials, edit, event, idle, lifetime, overlap, touch};
use self::life::{Life, Rhythm};
use self::model::{World, at, sign};

/// So many cases; the environment's `PROPTEST_CASES` overrules it.
fn config(cases: u32) -> ProptestConfig {
    let failures = FileFailurePersistence::Direct("tests/regressions/decisions.txt");
    let failure_persistence = Some(Box::new(failures) as _);
    ProptestConfig { cases, failure_persistence, max_shrink_iters: 1000, ..ProptestConfig::default() }
}

/// Whether an edit is of what stands beside the URL in the Secret, or of what comes later.
fn is_beside_the_url(edit: &Edit) -> bool {
    matches!(
        edit,
        Edit::Overlap(_) | Edit::Label(_) | Edit::Annotation(_) | Edit::UrlKey(_) | Edit::DeletionPolicy(_)
    )
}

/// Whether somebody left the URL alone, and the record of who wrote it.
fn is_elsewhere(touch: Touch) -> bool {
    !matches!(
        touch,
        Touch::Delete
            | Touch::EditUrl
            | Touch::SpoilUrl
            | Touch::TakeUrl
            | Touch::CopyAll
            | Touch::ResetRecord
    )
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.as_second() - from.as_second()
}

proptest! {
    #![proptest_config(config(4000))]

    #[test]
    fn signing_comes_before_renewal_and_renewal_before_expiration(
        lifetime in lifetime(10),
        overlap in overlap(),
        seed in any::<u32>(),
    ) {
        let validity = Validity { signing_time: at(0), lifetime };
        let renewal = validity.renewal_time(overlap, seed);
        prop_assert!(at(0) < renewal && renewal < validity.expiration_time());
        prop_assert_eq!(renewal.subsec_nanosecond(), 0);
    }

    #[test]
    fn a_renewal_is_never_late_and_early_by_a_bounded_share(
        lifetime in lifetime(10),
        overlap in overlap(),
        seed in any::<u32>(),
    ) {
        let validity = Validity { signing_time: at(0), lifetime };
        let wait = seconds(at(0), validity.renewal_time(overlap, seed));
        let lifetime = i64::from(lifetime);
        let asked = match overlap {
            Overlap::Seconds(seconds) => i64::from(seconds),
            Overlap::Percentage(percentage) => (lifetime * i64::from(percentage) / 100).max(1),
            Overlap::Third => lifetime / 3,
        };
        let due = lifetime - asked.min(lifetime * 5 / 6);
        prop_assert!(wait <= due);
        prop_assert!(wait >= lifetime / 6);
        prop_assert!(wait >= due - (lifetime / 10).min(due / 2));
    }

    #[test]
    fn a_renewal_is_earlier_with_a_larger_seed_and_a_herd_spreads_out(
        lifetime in lifetime(10),
        overlap in overlap(),
        seeds in any::<(u32, u32)>(),
    ) {
        let validity = Validity { signing_time: at(0), lifetime };
        let renewal = |seed| validity.renewal_time(overlap, seed);
        prop_assert!(renewal(seeds.0.min(seeds.1)) >= renewal(seeds.0.max(seeds.1)));
        let herd = (0..8).map(|part| validity.renewal_time(Overlap::Third, part << 29));
        let herd: std::collections::BTreeSet<_> = herd.collect();
        prop_assert!(herd.len() == 8 || lifetime < 160, "a herd spreads out");
    }

    #[test]
    fn an_expiration_exceeds_neither_the_request_nor_the_credentials(
        expires_in in lifetime(60),
        left in -1000_i64..1_000_000,
    ) {
        match Validity::new(at(0), expires_in, Some(at(left))) {
            Ok(validity) => {
                let expected = left.min(i64::from(expires_in));
                prop_assert_eq!(seconds(at(0), validity.expiration_time()), expected);
                prop_assert!(left >= 10);
            }
            Err(expired) => prop_assert!(left < 10 && expired.expiration == at(left)),
        }
    }

    #[test]
    fn a_printed_duration_reads_the_same(seconds in 0..3_600_000_000_u32) {
        prop_assert_eq!(DurationText(duration::print(seconds)).seconds(), Some(seconds));
    }

    #[test]
    fn a_duration_is_the_sum_of_its_parts(parts in prop::collection::vec((0..1_000_000_u32, 0..3_usize), 1..5)) {
        let text: String = parts.iter().map(|(count, unit)| format!("{count}{}", ["h", "m", "s"][*unit])).collect();
        let sum: u64 = parts.iter().map(|(count, unit)| u64::from(*count) * [3600, 60, 1][*unit]).sum();
        // What does not fit is well formed all the same.
        prop_assert_eq!(DurationText(text).seconds(), Some(u32::try_from(sum).unwrap_or(u32::MAX)));
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn after_an_apply_there_is_nothing_left_to_do(
        edits in prop::collection::vec(edit(), 0..6),
        credentials in credentials(),
        seed in any::<u32>(),
        later in 0..5_i64,
    ) {
        let mut world = World { credentials: Some(credentials.at(at(0))), seed, ..World::new() };
        for edit in &edits {
            edit.carry_out(&mut world.request);
        }
        let decision = world.decide();
        if let Decision::Issue { validity, .. } = decision {
            world.act(decision);
            // Later, yet before the shortest of all renewals.
            world.now = at(later.min(i64::from(validity.lifetime) / 6 - 1));
            let until = validity.renewal_time(world.request.overlap, seed);
            prop_assert_eq!(world.decide(), Decision::Keep { until });
            // By what was asked for, not by what would be rendered again.
            let (metadata, target) = (world.server.get().unwrap().metadata, &world.request.target);
            let url = judge::written(&sign(&world.request, &credentials.at(at(0)), validity));
            prop_assert_eq!(judge::url(&world, &target.url_key), Some(url));
            let labels = metadata.labels.unwrap_or_default();
            prop_assert!(target.labels.iter().all(|(name, value)| labels.get(name) == Some(value)));
            let annotations = metadata.annotations.unwrap_or_default();
            prop_assert!(target.annotations.iter().all(|(name, value)| annotations.get(name) == Some(value)));
        } else {
            let left = credentials.at(at(0)).expiration.map(|end| seconds(at(0), end));
            prop_assert!(left.is_some_and(|left| left < 10));
        }
    }

    #[test]
    fn what_others_do_is_left_alone_repaired_or_replaced_and_then_all_is_well(
        edits in prop::collection::vec(edit(), 0..3),
        touches in prop::collection::vec(touch(), 1..6),
        seed in any::<u32>(),
    ) {
        let mut world = World { seed, ..World::new() };
        world.act(world.decide());
        world.now = at(1);
        for edit in &edits {
            edit.carry_out(&mut world.request);
        }
        for touch in &touches {
            touch.carry_out(&mut world.server, at(1));
        }
        let first = world.decide();
        let leaves_the_url = edits.iter().all(is_beside_the_url) && touches.iter().copied().all(is_elsewhere);
        prop_assert!(!leaves_the_url || !matches!(first, Decision::Issue { .. }), "{first:?} for nothing");
        let before = world.clone();
        world.act(first);
        let mut second = world.decide();
        // What others own too takes a patch first, and then an apply for the record.
        if second == Decision::Repair && before.stored().is_some_and(|stored| stored.is_shared) {
            world.act(second);
            second = world.decide();
        }
        prop_assert!(matches!(second, Decision::Keep { .. }), "{first:?} then {second:?}");
        if first == Decision::Repair {
            let url = judge::url(&world, &world.request.target.url_key);
            prop_assert!(url.is_some());
            prop_assert_eq!(url, judge::url(&before, "url"), "a repair leaves the URL");
        }
        prop_assert_eq!(judge::missing_from(&world), Vec::<String>::new());
    }
}

#[test]
fn days_go_by_without_a_gap_and_without_a_mint_for_nothing() {
    let (all, alive) = (Cell::new(0), Cell::new(0));
    let events = prop::collection::vec((event(), idle()), 1..30);
    let outcome = TestRunner::new(contextualize_config(config(60))).run(
        &(any::<u32>(), lifetime(60), events),
        |(seed, lifetime, events)| {
            let mut life = Life::begin(seed, lifetime, Rhythm::WhenDue);
            for (event, idle) in events {
                life.idle(idle);
                life.happen(&event);
            }
            life.rest();
            let (passed, of_it_alive) = life.seconds();
            all.set(all.get() + passed);
            alive.set(alive.get() + of_it_alive);
            Ok(())
        },
    );
    outcome.unwrap_or_else(|error| panic!("{error}"));
    // For the rest of the time there was an excuse.
    assert!(alive.get() * 20 >= all.get(), "a URL in {} of {} seconds", alive.get(), all.get());
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn an_outage_that_is_over_before_the_url_is_forgotten_before_it_too(
        seed in any::<u32>(),
        expires_in in lifetime(60),
        overlap in overlap(),
        (from, until) in (0..100_i64, 3..300_i64),
    ) {
        let mut life = Life::begin(seed, expires_in, Rhythm::WhenDue);
        life.happen(&Event::Edit(Edit::Overlap(overlap)));
        life.advance(i64::from(expires_in) * from / 100);
        life.happen(&Event::Reachable(false));
        let expiration = life.expiration();
        life.advance((seconds(life.world.now, expiration) - until).max(0));
        life.happen(&Event::Reachable(true));
        life.advance(until + 1);
        prop_assert!(life.expiration() > expiration);
    }
}

proptest! {
    #![proptest_config(config(10))]

    #[test]
    fn a_reconcile_every_second_changes_nothing(
        seed in any::<u32>(),
        expires_in in 60..120_u32,
        events in prop::collection::vec((event(), 0..90_i64), 1..8),
    ) {
        let mut life = Life::begin(seed, expires_in, Rhythm::EverySecond);
        for (event, seconds) in events {
            life.advance(seconds);
            life.happen(&event);
        }
    }
}

#[test]
fn a_herd_of_sessions_that_end_is_signed_a_bounded_number_of_times() {
    for end in [60, 600, 3600, 4000, 7200, 86_400] {
        let mut life = Life::begin(0, 3600, Rhythm::WhenDue);
        life.rotate(Some(end));
        let before = life.mints();
        life.advance(2 * end);
        let most = end / 2400 + 2;
        let mints = i64::from(life.mints() - before);
        assert!((i64::from(end > 3600)..=most).contains(&mints), "{end}: {mints} mints");
        assert!(matches!(life.world.decide(), Decision::Wait { reason: WaitReason::CredentialsExpired(_) }));
    }
}
