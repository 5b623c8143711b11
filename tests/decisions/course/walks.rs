//! Random courses of URLs that are signed only once, and of signers that change their mind. The judge
//! behind them makes the claims; here is what happens.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::claims::CLAIMS;
use super::happenings::{Happening, happening};
use super::{Course, Start};
use crate::arbitrary::{Idle, idle, lifetime};
use crate::config;

fn start(is_once: bool) -> impl Strategy<Value = Start> {
    let ttl = prop::option::of(0..7200_u32);
    (any::<u32>(), lifetime(60), ttl, any::<bool>()).prop_map(move |(seed, expires_in, ttl, has_signer)| {
        Start { seed, expires_in, is_once, ttl, has_signer }
    })
}

fn happenings(is_once: bool) -> impl Strategy<Value = Vec<(Happening, Idle)>> {
    prop::collection::vec((happening(is_once), idle()), 1..40)
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn a_link_that_is_signed_once_ends_and_stays_ended(
        start in start(true),
        happenings in happenings(true),
    ) {
        Course::begin(start).run(&happenings);
    }

    #[test]
    fn what_a_signer_says_decides_what_the_secret_holds(
        start in start(false),
        happenings in happenings(false),
    ) {
        Course::begin(Start { has_signer: true, ..start }).run(&happenings);
    }
}

#[test]
fn the_courses_put_every_claim_to_the_test() {
    let mut runner = TestRunner::deterministic();
    let mut tried = BTreeSet::new();
    for is_once in [true, false] {
        let strategy = (start(is_once), happenings(is_once));
        for _ in 0..100 {
            let (start, happenings) = strategy.new_tree(&mut runner).unwrap().current();
            tried.extend(Course::begin(start).run(&happenings));
        }
    }
    assert_eq!(tried, BTreeSet::from(CLAIMS));
}
