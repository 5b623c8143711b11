//! Histories of a few objects: whatever people do and whatever goes wrong on the way, nothing is
//! forgotten.
//!
//! The real controller runs over a model of the API server (`tests/cluster/model.rs` holds the
//! part of it that writes Secrets against the real one), in paused time. A failure prints the
//! shortest history that it was found to need; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` ask for
//! other ones.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod checks;
mod cluster;
mod deeds;
mod http;
#[path = "../decisions/server.rs"]
mod server;

use std::future::pending;
use std::time::Duration;

use presign_operator::controller::{Presigner, Process, SecretAccess, Settings};
use presign_operator::runtime::{Clock, Leadership, Probes, Skew};
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tokio::time::sleep;

use self::deeds::{Deed, NAMESPACES, OBJECTS, deed};
use self::http::Api;

/// How many histories there are.
const CASES: u32 = 200;
/// Longer than any backoff and the safety net.
const QUIET: Duration = Duration::from_secs(640);

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 200,
        rng_seed: RngSeed::Fixed(13),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_is_forgotten(deeds in prop::collection::vec(deed(), 1..50)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(live(&deeds));
    }
}

/// One history, from an empty cluster to the quiet after it.
async fn live(deeds: &[Deed]) {
    let api = Api::default();
    let (clock, _) = Clock::simulated(cluster::epoch());
    let settings = Settings {
        instance: "test".to_owned(),
        namespaces: Vec::new(),
        secret_access: SecretAccess::Watch,
        max_in_flight: 3,
        pods: false,
    };
    let mut registry = Registry::default();
    let process = Process {
        clock: clock.clone(),
        leadership: Leadership::unopposed(),
        registry: &mut registry,
        probes: Probes::new(Duration::from_secs(60)),
        limiter: Presigner::limiter(),
        skew: Skew::default(),
    };
    let presigner = Presigner::new(settings, api.client(), process);
    let history = async {
        for namespace in 0..NAMESPACES {
            deeds::rotate(&mut api.lock(), namespace, 0);
        }
        for deed in deeds {
            deed.carry_out(&api).await;
        }
        end(&api, &clock).await;
    };
    tokio::select! {
        ended = presigner.run(pending()) => panic!("the operator ended: {ended:?}"),
        () = history => {}
    }
}

/// The troubles end, and all must be well.
async fn end(api: &Api, clock: &Clock) {
    {
        let mut state = api.lock();
        state.troubles.clear();
        state.cluster.lag = Duration::ZERO;
        for namespace in 0..NAMESPACES {
            deeds::rotate(&mut state, namespace, 1);
        }
        for who in everyone() {
            deeds::remove_foreign(&mut state, who);
        }
    }
    let pause = Duration::from_secs(5);
    for _ in 0..QUIET.as_secs() / pause.as_secs() {
        api.lock().cluster.collect_garbage();
        sleep(pause).await;
    }
    checks::assert_well(&api.lock(), clock.now(), "after the quiet");
    let calls = api.lock().calls;
    if checks::next_renewal(&api.lock(), clock.now()) > 30 {
        sleep(Duration::from_secs(20)).await;
        assert_eq!(api.lock().calls, calls, "a quiet world makes no calls");
    }
    for who in everyone() {
        Deed::DeleteSecret(who).carry_out(api).await;
    }
    sleep(Duration::from_secs(5)).await;
    checks::assert_well(&api.lock(), clock.now(), "after every Secret was deleted");
    checks::assert_few_writes(&api.lock());
}

fn everyone() -> impl Iterator<Item = deeds::Who> {
    (0..NAMESPACES).flat_map(|namespace| (0..OBJECTS).map(move |object| (namespace, object)))
}
