//! Twenty namespaces in which people do things at random, two replicas of the operator to
//! which everything happens that can happen to a process and to its way to the API server,
//! and invariants that have to hold whenever it is quiet again.
//!
//! Not a part of `cargo test`; `make chaos` runs it (`CHAOS_MINUTES`, `CHAOS_SEED`), and
//! `make chaos-short` a single turn of it in four namespaces (`--short`). A seed gives the
//! same choices again, though not the same times: these are those of real processes.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod actions;
mod download;
mod faults;
#[allow(dead_code, unused_imports, reason = "the tests of the operator use more of it")]
#[path = "../cluster/harness/mod.rs"]
mod harness;
mod history;
mod invariants;
mod lag;
mod late_writes;
mod observe;
mod operator;
mod quiet;
mod random;
mod read;
mod replica;
mod served;
mod sessions;
mod short;
mod steady;
mod tenant;

use std::hash::{BuildHasher as _, RandomState};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::{Duration, Instant};

use kube::Client;
use tokio::sync::{Mutex, RwLock};

use harness::{World, make_namespace_named};
use history::{EVERYWHERE, History};
use lag::Lag;
use late_writes::Shown;
use observe::Observer;
use random::Random;
use replica::{HOME, Replica};
use tenant::{Keys, Tenant};

/// From when after the last fault nothing of it is left: what hangs does so for 20 s.
const UNTOUCHED: Duration = Duration::from_secs(25);

/// What replicas were shown and sent, for the end.
const DELETIONS: &str = "deletions shown to a replica";
const WRITES: &str = "writes for an object";
const FAILED_WRITES: &str = "writes that failed";

static LAG: LazyLock<Lag> = LazyLock::new(Lag::default);

/// How large a run is.
#[derive(Clone, Copy)]
struct Size {
    tenants: usize,
    /// How long people act while nothing else goes wrong.
    acting: Duration,
    /// How long faults happen.
    faults: Duration,
    /// How long a person does nothing, in milliseconds.
    idle: u64,
}

impl Size {
    fn is_short(self) -> bool {
        self.tenants == SHORT.tenants
    }
}

const LONG: Size =
    Size { tenants: 20, acting: Duration::from_secs(40), faults: Duration::from_secs(35), idle: 4000 };
const SHORT: Size =
    Size { tenants: 4, acting: Duration::from_secs(4), faults: Duration::from_secs(14), idle: 1000 };

/// What all parts of a run share.
pub struct Chaos {
    pub client: Client,
    pub tenants: Vec<Tenant>,
    pub replicas: Mutex<Vec<Replica>>,
    pub history: Arc<History>,
    pub observer: Mutex<Observer>,
    pub lag: &'static Lag,
    pub is_short: bool,
    /// Held by who does something; nobody does while it is quiet.
    acting: RwLock<()>,
    /// When the last fault ended, unless there are some.
    quiet: std::sync::Mutex<Option<Instant>>,
}

impl Chaos {
    /// Since when no fault has had any effect.
    pub fn undisturbed(&self) -> Option<Instant> {
        let quiet = *self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.map(|since| since + UNTOUCHED).filter(|since| *since <= Instant::now())
    }

    fn set_quiet(&self, since: Option<Instant>) {
        *self.quiet.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

fn main() -> ExitCode {
    let first = std::env::args().nth(1);
    if first.as_deref() == Some(operator::CHILD) {
        return operator::run();
    }
    let is_short = std::env::args().any(|argument| argument == "--short");
    let drawn = RandomState::new().hash_one("seed") % 1_000_000;
    let seed =
        variable("CHAOS_SEED").map_or(drawn, |text| text.parse().expect("CHAOS_SEED is a whole number"));
    let minutes =
        variable("CHAOS_MINUTES").map_or(10.0, |text| text.parse().expect("CHAOS_MINUTES is a number"));
    let (size, length) =
        if is_short { (SHORT, Duration::ZERO) } else { (LONG, Duration::from_secs_f64(60.0 * minutes)) };
    let again = if is_short {
        format!("CHAOS_SEED={seed} make chaos-short")
    } else {
        format!("CHAOS_SEED={seed} CHAOS_MINUTES={minutes} make chaos")
    };
    println!("chaos: {} namespaces; to run it again: {again}", size.tenants);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let holds = runtime.block_on(run(seed, size, length));
    if !holds {
        println!("to run it again: {again}");
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::disallowed_methods, reason = "this is a program of its own")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

async fn run(seed: u64, size: Size, length: Duration) -> bool {
    LAG.measure();
    let chaos = Arc::new(assemble(seed, size).await);
    let ends = Instant::now() + length;
    let steady: Vec<usize> = (0..size.tenants).step_by(4).collect();
    for tenant in &steady {
        steady::create(&chaos.tenants[*tenant]).await;
    }
    let least_judged = 3 * steady.len();
    let sampling = tokio::spawn(steady::sample(chaos.clone(), steady));
    let mut shown = [Shown::default(), Shown::default()];
    let mut random = Random::new(seed, u64::MAX);
    {
        let _quiet = chaos.acting.write().await;
        chaos.set_quiet(Some(Instant::now()));
        if !quiet::settle(&chaos, &mut shown).await {
            println!("the operator does not even begin");
        }
    }
    let mut acting = tokio::task::JoinSet::new();
    for number in 0..size.tenants {
        let (chaos, random) = (chaos.clone(), Random::new(seed, u64::try_from(number).unwrap()));
        acting.spawn(act(chaos, number, random, size.idle));
    }
    let mut turns = 0;
    loop {
        turns += 1;
        turn(&chaos, &mut random, &mut shown, size, turns).await;
        if let Some(ended) = acting.try_join_next() {
            panic!("nobody acts on a namespace any more: {ended:?}");
        }
        if Instant::now() > ends {
            break;
        }
    }
    acting.shutdown().await;
    // A short run, too, judges the objects that nothing happens to.
    let is_judged = async || steady::JUDGED.load(Ordering::Relaxed) >= least_judged;
    testbed::eventually(UNTOUCHED + Duration::from_secs(65), is_judged).await;
    let judged = steady::JUDGED.load(Ordering::Relaxed);
    println!("the steady objects were judged {judged} times");
    assert!(!sampling.is_finished(), "nobody looks at the steady objects any more: {:?}", sampling.await);
    sampling.abort();
    let mut replicas = chaos.replicas.lock().await;
    tokio::task::block_in_place(|| replicas.iter_mut().for_each(Replica::stop));
    let is_busy = was_busy(&chaos, &shown, turns);
    let holds = [chaos.history.conclude(), judged >= least_judged, is_busy];
    let holds = holds.into_iter().all(|holds| holds);
    if !holds {
        keep_logs(seed, &replicas);
    }
    holds
}

/// Whether enough happened for the invariants to mean something: a fraction of what the paces of people and
/// faults come to, because a busy machine is slower.
fn was_busy(chaos: &Chaos, shown: &[Shown], turns: u64) -> bool {
    let history = &chaos.history;
    let tenants = u64::try_from(chaos.tenants.len()).expect("few");
    for (what, count) in [
        (DELETIONS, shown.iter().map(|shown| shown.deletions).sum::<usize>()),
        (WRITES, shown.iter().map(|shown| shown.writes).sum()),
        (FAILED_WRITES, shown.iter().map(|shown| shown.failed_writes).sum()),
    ] {
        history.add(what, count);
    }
    let floors: [(u64, &[&str]); 9] = [
        (3 * tenants * turns, &actions::ACTIONS),
        // A slow restart of the API server leaves no time for others in its turn.
        ((2 * turns).saturating_sub(1), &faults::FAULTS),
        (turns / 2, &["kill", "pause", "cut watches", "API server restart", "etcd restore"]),
        (tenants * turns, &[invariants::USED]),
        (2 * tenants * turns, &[invariants::COMPARED]),
        (tenants * turns, &[invariants::ACCEPTED]),
        (turns, &[DELETIONS]),
        (2 * tenants * turns, &[WRITES]),
        // In a single turn of a long run the replica that writes may be spared.
        (u64::from(chaos.is_short || turns > 1), &[FAILED_WRITES]),
    ];
    let mut is_busy = true;
    for (least, what) in floors {
        is_busy &= history.has_at_least(least, what);
    }
    // Each of these is in every third turn or more, and in a short run.
    let rarely = if chaos.is_short { 1 } else { (turns / 3).saturating_sub(1) };
    for what in ["kill", "pause", "cut watches", "etcd restore"] {
        is_busy &= history.has_at_least(rarely, &[what]);
    }
    is_busy && history.has_at_most_a_tenth(tenant::REFUSED, &actions::ACTIONS)
}

async fn assemble(seed: u64, size: Size) -> Chaos {
    let world = World::get().await;
    let (client, history) = (world.client().await, Arc::new(History::new()));
    make_namespace_named(&client, HOME).await;
    let mut tenants = Vec::new();
    for number in 0..size.tenants {
        let tenant = Tenant::create(number, client.clone(), history.clone()).await;
        actions::create_all(&tenant, &mut Random::new(seed, 1000 + u64::try_from(number).unwrap())).await;
        tenants.push(tenant);
    }
    let observer = Mutex::new(Observer::begin(&client, &history));
    let starting = tokio::task::spawn_blocking(|| vec![Replica::start(0), Replica::start(1)]);
    let replicas = Mutex::new(starting.await.unwrap());
    Chaos {
        client,
        tenants,
        replicas,
        history,
        observer,
        lag: &LAG,
        is_short: size.is_short(),
        acting: RwLock::default(),
        quiet: std::sync::Mutex::default(),
    }
}

/// What people do in one namespace, whenever it is not quiet.
async fn act(chaos: Arc<Chaos>, number: usize, mut random: Random, idle: u64) {
    loop {
        {
            let _acting = chaos.acting.read().await;
            actions::act(&chaos.tenants[number], &mut random).await;
        }
        tokio::time::sleep(Duration::from_millis(100 + random.below(idle))).await;
    }
}

/// People act, then faults happen too, and then everything has to become well.
async fn turn(chaos: &Chaos, random: &mut Random, shown: &mut [Shown], size: Size, number: u64) {
    chaos.history.count("turns");
    tokio::time::sleep(size.acting).await;
    chaos.set_quiet(None);
    chaos.history.note(EVERYWHERE, "faults begin");
    let mut until = Instant::now() + size.faults;
    let saved = if size.is_short() {
        let faults = short::each_once(random);
        let (before, after) = faults.split_at(faults.len() / 2);
        short::happen_each(chaos, random, before).await;
        let saved = {
            let _quiet = chaos.acting.write().await;
            faults::save(chaos).await
        };
        short::happen_each(chaos, random, after).await;
        until = Instant::now();
        Some(saved)
    } else if number % 3 == 2 {
        let middle = Instant::now() + size.faults / 2;
        faults::happen(chaos, random, middle).await;
        let _quiet = chaos.acting.write().await;
        let saved = faults::save(chaos).await;
        until = Instant::now() + size.faults / 2;
        Some(saved)
    } else {
        None
    };
    faults::happen(chaos, random, until).await;
    let _quiet = chaos.acting.write().await;
    if let Some((saved, at)) = saved {
        // What the observer saw before goes with it.
        for violation in invariants::touched(chaos).await {
            chaos.history.accuse(violation);
        }
        faults::restore(chaos, saved, at).await;
        *chaos.observer.lock().await = Observer::begin(&chaos.client, &chaos.history);
    }
    faults::end(chaos).await;
    chaos.set_quiet(Some(Instant::now()));
    for tenant in &chaos.tenants {
        loop {
            let result = tenant.write_keys("keys", Keys::First).await;
            tenant.note("access keys: First", &result);
            if result.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    if !quiet::settle(chaos, shown).await {
        // So that the next turn finds its own failures.
        chaos.history.note(EVERYWHERE, "both replicas are started anew");
        for replica in chaos.replicas.lock().await.iter_mut() {
            tokio::task::block_in_place(|| {
                replica.kill();
                replica.start_again();
            });
        }
        chaos.set_quiet(Some(Instant::now()));
        chaos.history.count(if quiet::is_well(chaos).await {
            "well after a start"
        } else {
            "not even well after a start"
        });
    }
}

/// Keeps the logs of the replicas and the audit log of a run that failed.
fn keep_logs(seed: u64, replicas: &[Replica]) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{seed}"));
    std::fs::create_dir_all(&folder).unwrap();
    for (number, replica) in replicas.iter().enumerate() {
        std::fs::write(folder.join(format!("replica-{number}.log")), replica.log()).unwrap();
    }
    std::fs::copy(World::get_blocking().plane.audit_log(), folder.join("audit.log")).unwrap();
    println!("logs: {}", folder.display());
}
