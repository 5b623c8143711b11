//! Histories of a few objects: whatever people do and whatever goes wrong on the way, nothing is
//! forgotten.
//!
//! The real controller runs over a model of the API server (`tests/cluster/model.rs` holds the
//! part of it that writes Secrets against the real one) and of an STS, in paused time. A failure prints
//! the shortest history that it was found to need; `HISTORY_SEED` and `HISTORY_COUNT` ask for other ones.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod accounts;
mod checks;
mod cluster;
mod deeds;
mod fairness;
mod http;
mod lease;
mod objects;
#[path = "../decisions/server.rs"]
mod server;
mod sessions;
mod state;
mod sts;
mod wakes;

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use presign_operator::controller::{Controller, Memory, Process, SecretAccess, Settings};
use presign_operator::domain::Limits;
use presign_operator::domain::limits::{HostPattern, SessionLimits, StsEndpoints};
use presign_operator::domain::resolve::ConnectionSettings;
use presign_operator::runtime::{
    ClientSettings, Elector, Leadership, LeaseSettings, Overload, Party, Probes, Skew,
};
use presign_operator::sts::Sts;
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use testbed::number;
use tokio::time::sleep;

use self::accounts::Reviews;
use self::deeds::{Deed, deed};
use self::http::Api;
use self::objects::{NAMESPACES, WITH_TOKENS, account, everyone};
use self::sts::Way;

/// What the random choices begin with, and how many histories there are.
const SEED: u64 = 13;
const HISTORIES: u64 = 600;
/// From so many histories on, each rare event is reached in several.
const REACHES_ALL: u64 = 150;
/// The histories are divided into so many series, each with a seed of its own, so that they are the same on every machine.
const SERIES: u64 = 4;
/// After how long the operator gives a call up.
const DEADLINE: Duration = Duration::from_secs(10);
/// Longer than any backoff and the safety net.
const QUIET: Duration = Duration::from_secs(640);

#[test]
fn nothing_is_forgotten() {
    let (seed, histories) = (number("HISTORY_SEED", SEED), number("HISTORY_COUNT", HISTORIES));
    std::thread::scope(|scope| {
        for series in 0..SERIES {
            let share = histories / SERIES + u64::from(series < histories % SERIES);
            scope.spawn(move || search(seed + series, u32::try_from(share).unwrap()));
        }
    });
    let reached = REACHED.lock().unwrap();
    println!("{histories} histories, of which so many reached what is rare: {reached:?}");
    for rare in [
        "a restore",
        "a takeover",
        "a panic",
        "an overload",
        "a lost answer",
        "a quiet world",
        "a session",
        "a refused session",
        "a quiet restart",
    ] {
        assert!(histories < REACHES_ALL || reached.contains_key(rare), "no history reached {rare}");
    }
}

/// A new access key each second wakes an object whose reconcile panics. It waits all the same.
#[test]
fn a_panic_is_not_met_again_at_each_wake() {
    let api = paused(async {
        let api = Api::new();
        deeds::rotate(&mut api.lock(), 0, 0);
        let history = async |_: Memory| {
            api.lock().is_poisoned = true;
            Deed::Create((0, 0)).carry_out(&api).await;
            for second in 0..60 {
                deeds::rotate(&mut api.lock(), 0, second);
                sleep(Duration::from_secs(1)).await;
            }
        };
        operate(&api, history).await;
        api
    });
    let state = api.lock();
    let secrets = state.writes.iter().filter(|write| write.kind == cluster::Kind::Secrets);
    // After 1, 2, 4, 8, 16 and 32 seconds.
    assert!((2..=8).contains(&secrets.clone().count()), "{:?}", secrets.collect::<Vec<_>>());
}

/// Runs something in time that passes only while everything waits.
fn paused<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(work)
}

/// How many histories reached something that takes a few deeds in a row.
static REACHED: Mutex<BTreeMap<&'static str, usize>> = Mutex::new(BTreeMap::new());

/// Looks for a history in which something is forgotten, and shortens what it finds.
fn search(seed: u64, histories: u32) {
    let config = ProptestConfig {
        cases: histories,
        failure_persistence: None,
        max_shrink_iters: 200,
        rng_seed: RngSeed::Fixed(seed),
        ..ProptestConfig::default()
    };
    let found = TestRunner::new(config).run(&prop::collection::vec(deed(), 1..50), |deeds| {
        paused(live(&deeds));
        Ok(())
    });
    if let Err(found) = found {
        panic!("{found}\nto see it again: HISTORY_SEED={seed} HISTORY_COUNT={histories}");
    }
}

/// One history, from an empty cluster to the quiet after it.
async fn live(deeds: &[Deed]) {
    let api = Api::new();
    let history = async |memory: Memory| {
        for namespace in 0..NAMESPACES {
            deeds::rotate(&mut api.lock(), namespace, 0);
        }
        api.lock().cluster.create_account(&account(WITH_TOKENS));
        for deed in deeds {
            deed.carry_out(&api).await;
        }
        end(&api, &memory).await;
    };
    operate(&api, history).await;
    restart(&api).await;
    let mut reached = REACHED.lock().unwrap();
    for rare in &api.lock().reached {
        *reached.entry(*rare).or_default() += 1;
    }
}

/// Runs the operator until `history` has ended.
async fn operate(api: &Api, history: impl AsyncFnOnce(Memory)) {
    let endpoints = StsEndpoints::parse([sts::HOST]).unwrap();
    let sessions = SessionLimits {
        audiences: vec![accounts::AUDIENCE.to_owned()],
        endpoints: endpoints.clone(),
        ambient: false,
    };
    let settings = Settings {
        instance: "test".to_owned(),
        namespaces: Vec::new(),
        secret_access: SecretAccess::Watch,
        max_in_flight: 3,
        pods: false,
        limits: Limits::new(Vec::new(), vec![HostPattern::All]).with_sessions(sessions),
        connection_settings: ConnectionSettings::default(),
        cluster_signers: false,
        namespace_selectors: false,
    };
    let (mut registry, limiter) = (Registry::default(), Controller::limiter());
    let paused = limiter.clone();
    let client_settings = |leadership: Leadership| ClientSettings {
        identity: "us".to_owned(),
        deadline: DEADLINE,
        leadership,
        overload: Overload::new({
            let paused = paused.clone();
            move |pause| paused.pause(pause)
        }),
        skew: Skew::default(),
    };
    let lease = LeaseSettings {
        name: "presign-operator".to_owned(),
        namespace: "presign-system".to_owned(),
        identity: "us".to_owned(),
        duration: lease::DURATION,
        party: Party::default(),
    };
    let (elector, leadership) =
        Elector::new(api.client(client_settings(Leadership::unopposed())), lease, api.clock.clone());
    let client = api.client(client_settings(leadership.clone()));
    let process = Process {
        unfenced: client.clone(),
        clock: api.clock.clone(),
        leadership,
        registry: &mut registry,
        probes: Probes::new(Duration::from_secs(60)),
        limiter,
        skew: Skew::default(),
        sts: Sts::over(&SharedHttpConnector::new(Way(api.clone())), endpoints),
        verifier: None,
    };
    let controller = Controller::new(settings, client, process);
    let memory = controller.memory();
    tokio::select! {
        ended = controller.run(pending()) => panic!("the operator ended: {ended:?}"),
        () = elector.run(pending()) => panic!("the election ended"),
        () = history(memory) => {}
    }
}

/// The troubles end, and all must be well.
async fn end(api: &Api, memory: &Memory) {
    {
        let mut state = api.lock();
        state.troubles.clear();
        state.election.mend();
        state.sts.troubles.clear();
        state.cluster.lag = Duration::ZERO;
        for namespace in 0..NAMESPACES {
            deeds::rotate(&mut state, namespace, 1);
        }
        state.cluster.permit_roles(&account(WITH_TOKENS), true);
        for who in everyone() {
            deeds::remove_foreign(&mut state, who);
        }
    }
    let pause = Duration::from_secs(5);
    for _ in 0..QUIET.as_secs() / pause.as_secs() {
        api.lock().cluster.collect_garbage();
        sleep(pause).await;
    }
    checks::assert_well(&api.lock(), api.clock.now(), "after the quiet");
    checks::assert_remembered(&api.lock(), &memory.snapshot(), "after the quiet");
    let calls = api.lock().calls;
    if checks::next_renewal(&api.lock(), api.clock.now()) > 30 {
        sleep(Duration::from_secs(20)).await;
        assert_eq!(api.lock().calls, calls, "a quiet world makes no calls");
        api.lock().reached.insert("a quiet world");
    }
    delete_secrets(api, memory, "after every Secret was deleted").await;
    checks::assert_few_writes(&api.lock());
    sessions::assert_few_calls(&api.lock());
}

/// Every Secret is deleted, and all must be well again.
async fn delete_secrets(api: &Api, memory: &Memory, when: &str) {
    for who in everyone() {
        Deed::DeleteSecret(who).carry_out(api).await;
    }
    sleep(Duration::from_secs(5)).await;
    checks::assert_well(&api.lock(), api.clock.now(), when);
    checks::assert_remembered(&api.lock(), &memory.snapshot(), when);
}

/// The operator is started anew: it leaves all as it is, and still looks after it.
async fn restart(api: &Api) {
    let history = async |memory: Memory| {
        let writes = api.lock().writes.len();
        let calls = api.lock().sts.calls.len();
        if checks::next_renewal(&api.lock(), api.clock.now()) > 60 {
            sleep(Duration::from_secs(40)).await;
            assert_eq!(&api.lock().writes[writes..], [], "a restart writes nothing");
            assert_eq!(&api.lock().sts.calls[calls..], [], "a restart asks for no session");
            api.lock().reached.insert("a quiet restart");
        }
        delete_secrets(api, &memory, "after a restart").await;
    };
    {
        let mut state = api.lock();
        state.reviews = Reviews::default();
        deeds::expect_writes(&mut state);
    }
    operate(api, history).await;
}
