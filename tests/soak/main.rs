//! Ten minutes of everything at once: short lives, edits, rotations, kills, writes that hang, an
//! API server that restarts, an STS that fails, and a reader that downloads through whatever it finds.
//!
//! Not a part of `cargo test`; `make soak` runs it. `SOAK_MINUTES` and `SOAK_OBJECTS` change its size, and
//! `SOAK_SEED` its choices. It fails if a URL out of a Secret was refused even once, if a Secret was gone, and
//! if any of this happened less often than in any soak of that size.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

#[allow(dead_code, unused_imports, reason = "the stories use more of it")]
#[path = "../cluster/harness/mod.rs"]
mod harness;
mod report;
mod sessions;
mod troubles;
mod verified;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures::StreamExt as _;
use serde_json::json;
use tokio::sync::Mutex;

use harness::{DEADLINE, Operator, PERMITTED_STS, Space, UNOPPOSED, World};
use report::Report;
use sessions::{Sessions, uses_session};
use testbed::{Proxy, number};
use verified::is_verified;

/// What all the troubles share.
pub struct Soak {
    pub space: Space,
    /// The operator under test; replaced at each kill.
    pub operator: Mutex<Operator>,
    /// Its way to the API server.
    pub proxy: Proxy,
    pub sessions: Sessions,
    /// The stores that the operator may ask about URLs.
    pub stores: String,
    pub report: Report,
    pub objects: usize,
    pub minutes: u64,
    pub ends: Instant,
    /// What the choices of the troubles begin with.
    pub seed: u64,
}

impl Soak {
    /// The random choices of one trouble, the same in every run with the same seed.
    pub fn random(&self, trouble: u64) -> Rng {
        Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ trouble)
    }
}

#[tokio::main]
async fn main() {
    let minutes = number("SOAK_MINUTES", 10);
    let objects = number("SOAK_OBJECTS", 300);
    let space = Space::new("soak").await;
    // The space's own operator logs at debug; this one has its own log of what it issued.
    space.operator.stop();
    let proxy = tokio::task::spawn_blocking(|| Proxy::start(&World::get_blocking().plane));
    let proxy = proxy.await.unwrap().unwrap();
    let sessions = Sessions::start(&space, objects).await;
    let stores = [space.world.store.endpoint(), sessions.store_endpoint()];
    let stores = stores.map(|store| store.trim_start_matches("http://").to_owned()).join(",");
    let operator = Mutex::new(start(&space, &proxy, &stores));
    let seed = number("SOAK_SEED", 0);
    println!("soak: {objects} PresignedUrls for {minutes} minutes, SOAK_SEED={seed}");
    create(&space, &sessions, objects).await;
    // From here on, so that a slow start takes nothing from the troubles.
    let ends = Instant::now() + Duration::from_secs(60 * minutes);
    let report = Report::default();
    let soak = Soak { space, operator, proxy, sessions, stores, report, objects, minutes, ends, seed };
    let soak = Arc::new(soak);
    let troubles = [
        tokio::spawn(troubles::read_and_download(soak.clone())),
        tokio::spawn(troubles::edit(soak.clone())),
        tokio::spawn(troubles::rotate(soak.clone())),
        tokio::spawn(troubles::kill(soak.clone())),
        tokio::spawn(troubles::hang(soak.clone())),
        tokio::spawn(troubles::restart_apiserver(soak.clone())),
        tokio::spawn(troubles::weigh(soak.clone())),
        tokio::spawn(sessions::fail(soak.clone())),
        tokio::spawn(verified::look(soak.clone())),
    ];
    for trouble in troubles {
        trouble.await.unwrap();
    }
    let operator = soak.operator.lock().await;
    // What was asked for last may not have been issued yet.
    let is_complete = async || !soak.report.lacks_urls(&operator.log(), objects, minutes);
    testbed::eventually(DEADLINE, is_complete).await;
    operator.expect_running();
    soak.report.add_log(&operator.log());
    soak.report.not_met(soak.proxy.unmet());
    soak.report.print(&soak.space, &soak.sessions.calls()).await;
    let failures = soak.report.failures(objects, minutes);
    for failure in failures.iter().take(20) {
        println!("FAILED {failure}");
    }
    if !failures.is_empty() {
        std::process::exit(1);
    }
}

/// The operator under test.
fn start(space: &Space, proxy: &Proxy, stores: &str) -> Operator {
    let kubeconfig = proxy.kubeconfig().to_str().unwrap();
    let environment = [
        ("PRESIGN_LOG", "info"),
        ("KUBECONFIG", kubeconfig),
        ("PRESIGN_VERIFY", "true"),
        ("PRESIGN_VERIFY_ALLOW", stores),
        UNOPPOSED,
        PERMITTED_STS,
    ];
    Operator::start(space.world, &space.namespace, &environment)
}

/// How long an object's URL lives, and how often it is renewed, in seconds.
fn times(number: usize) -> (usize, usize) {
    if uses_session(number) {
        // A session may have a quarter less than 90 seconds left when a URL is signed.
        return (90, 30);
    }
    let lifetime = 60 + number * 7 % 121;
    // No overlap may be longer than five sixths of the lifetime, and none may be so short that a
    // restart of the API server takes longer: nobody could renew in time.
    (lifetime, (10 + number * 13 % 51).clamp(lifetime.div_ceil(6), lifetime - 30))
}

/// Objects that live 1 to 3 minutes and are renewed every 10 to 60 seconds.
async fn create(space: &Space, sessions: &Sessions, objects: usize) {
    space.world.store.put_object(&space.namespace, "other", b"content").unwrap();
    futures::stream::iter(0..objects)
        .for_each_concurrent(16, |number| async move {
            let (lifetime, every) = times(number);
            let with_session = || sessions.spec(space, number);
            let mut spec = if uses_session(number) { with_session() } else { space.spec(json!({})) };
            if is_verified(number) {
                spec["verify"] = json!("Always");
            }
            spec["expiresIn"] = json!(format!("{lifetime}s"));
            spec["renewBefore"] = json!(format!("{}s", lifetime - every));
            space.apply(&name(number), spec).await;
        })
        .await;
    for number in 0..objects {
        space.wait_ready(&name(number), "True", "Issued").await;
    }
}

/// The name of an object.
#[must_use]
pub fn name(number: usize) -> String {
    format!("r{number}")
}
