//! What goes wrong everywhere at once, at random.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use presign_operator::controller::CachedObject;
use serde_json::json;
use testbed::{Chance, Chances, SavedEtcd};

use crate::Chaos;
use crate::harness::World;
use crate::history::EVERYWHERE;
use crate::random::Random;
use crate::replica::{HOME, LEASE, Replica};
use crate::tenant::{PERSON, STEADY};

/// How many versions are given out between a save and its restore, so that the restored
/// server does not reach those that were shown before: a client could not tell then.
const VERSIONS: usize = 1000;

/// Every fault, as it is counted.
pub const FAULTS: [&str; 11] = [
    "kill",
    "pause",
    "cut watches",
    "API server restart",
    "etcd restore",
    "late events",
    "late answers",
    "late requests",
    "hanging writes",
    "429",
    "500",
];

/// Lets faults happen until then.
pub async fn happen(chaos: &Chaos, random: &mut Random, until: Instant) {
    let mut restarts = u64::from(random.percent(50));
    while Instant::now() < until {
        let chosen = any(random, 2);
        match random.below(100) {
            0..12 => kill(chaos, random, chosen).await,
            12..24 => {
                let longest = 2 * u64::try_from(LEASE.as_millis()).expect("short");
                pause(chaos, chosen, Duration::from_millis(500 + random.below(longest))).await;
            }
            24..36 => cut(chaos, chosen, random.percent(30)).await,
            36..42 if restarts > 0 => {
                restarts -= 1;
                restart_apiserver(chaos).await;
            }
            _ => disturb(chaos, random, chosen).await,
        }
        tokio::time::sleep(Duration::from_millis(500 + random.below(3500))).await;
    }
}

/// Ends all faults: every process runs, and nothing is in its way.
pub async fn end(chaos: &Chaos) {
    let mut replicas = chaos.replicas.lock().await;
    for replica in replicas.iter_mut() {
        replica.proxy.set_chances(None);
        replica.proxy.heal();
        replica.start_again();
    }
    chaos.history.note(EVERYWHERE, "all faults end");
}

fn any(random: &mut Random, count: usize) -> usize {
    usize::try_from(random.below(u64::try_from(count).expect("small"))).expect("small")
}

pub async fn kill(chaos: &Chaos, random: &mut Random, chosen: usize) {
    let mut replicas = chaos.replicas.lock().await;
    let away = Duration::from_millis(random.below(3000));
    chaos.history.note(EVERYWHERE, format!("kill replica {chosen}, start it again after {away:?}"));
    chaos.history.count("kill");
    tokio::task::block_in_place(|| replicas[chosen].kill());
    tokio::time::sleep(away).await;
    tokio::task::block_in_place(|| replicas[chosen].start_again());
}

pub async fn pause(chaos: &Chaos, chosen: usize, length: Duration) {
    let mut replicas = chaos.replicas.lock().await;
    chaos.history.note(EVERYWHERE, format!("pause replica {chosen} for {length:?}"));
    chaos.history.count("pause");
    replicas[chosen].freeze();
    tokio::time::sleep(length).await;
    replicas[chosen].thaw();
}

pub async fn cut(chaos: &Chaos, chosen: usize, is_told: bool) {
    let mut replicas = chaos.replicas.lock().await;
    chaos.history.note(EVERYWHERE, format!("cut the watches of replica {chosen}, told 410: {is_told}"));
    chaos.history.count("cut watches");
    let begun = Instant::now();
    if is_told {
        replicas[chosen].proxy.expire_watches();
    } else {
        replicas[chosen].proxy.cut_watches();
    }
    replicas[chosen].pauses.push((begun, Instant::now()));
}

async fn restart_apiserver(chaos: &Chaos) {
    chaos.history.note(EVERYWHERE, "restart the API server");
    chaos.history.count("API server restart");
    let begun = Instant::now();
    let restarting = tokio::task::spawn_blocking(|| {
        let plane = &World::get_blocking().plane;
        // The garbage collector loses track of our kind while discovery fails.
        plane.restart_apiserver().and_then(|()| plane.restart_controller_manager())
    });
    restarting.await.unwrap().unwrap();
    for replica in chaos.replicas.lock().await.iter_mut() {
        replica.pauses.push((begun, Instant::now()));
    }
    chaos.history.note(EVERYWHERE, "the API server is back");
}

/// Other chances on the way of one replica, or none.
async fn disturb(chaos: &Chaos, random: &mut Random, chosen: usize) {
    let replicas = chaos.replicas.lock().await;
    let milliseconds = Duration::from_millis;
    let mut chances = Chances { seed: random.number(), ..Chances::default() };
    let mut what = Vec::new();
    if random.percent(50) {
        chances.late_events = Chance::new(300, milliseconds(100), milliseconds(3000));
        what.push("late events");
    }
    if random.percent(50) {
        chances.late_answers = Chance::new(300, milliseconds(100), milliseconds(5000));
        what.push("late answers");
    }
    if random.percent(30) {
        chances.late_requests = Chance::new(200, milliseconds(100), milliseconds(3000));
        what.push("late requests");
    }
    if random.percent(40) {
        chances.hanging_writes = Chance::new(100, milliseconds(1000), milliseconds(20_000));
        what.push("hanging writes");
    }
    if random.percent(30) {
        chances.refused = 200;
        what.push("429");
    }
    if random.percent(30) {
        chances.failed = 100;
        what.push("500");
    }
    for what in &what {
        chaos.history.count(what);
    }
    chaos.history.note(EVERYWHERE, format!("on the way of replica {chosen}: {what:?}"));
    replicas[chosen].proxy.set_chances((!what.is_empty()).then_some(chances));
}

/// Saves what etcd holds.
pub async fn save(chaos: &Chaos) -> (SavedEtcd, Instant) {
    let saved =
        tokio::task::spawn_blocking(|| World::get_blocking().plane.save_etcd()).await.unwrap().unwrap();
    chaos.history.note(EVERYWHERE, "etcd is saved");
    (saved, Instant::now())
}

/// Puts back what was saved, under the running operator. Nobody may act meanwhile.
pub async fn restore(chaos: &Chaos, saved: SavedEtcd, at: Instant) {
    use futures::StreamExt as _;
    let maps = Api::<ConfigMap>::namespaced(chaos.client.clone(), HOME);
    futures::stream::iter(0..VERSIONS)
        .for_each_concurrent(16, |number| {
            let maps = maps.clone();
            async move {
                let name = format!("versions-{}", number % 16);
                let patch = json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                    "data": {"number": number.to_string()},
                });
                maps.patch(&name, &PatchParams::apply("chaos").force(), &Patch::Apply(patch)).await.unwrap();
            }
        })
        .await;
    // A client could not tell otherwise.
    let is_shown = show_versions(chaos).await;
    chaos.history.note(EVERYWHERE, format!("etcd goes back to what it held {:?} ago", at.elapsed()));
    chaos.history.count(if is_shown { "etcd restore" } else { "etcd restore that nobody can tell" });
    let begun = Instant::now();
    let restoring =
        tokio::task::spawn_blocking(move || World::get_blocking().plane.restore_etcd(&saved).map(|()| saved));
    restoring.await.unwrap().unwrap();
    for replica in chaos.replicas.lock().await.iter_mut() {
        replica.pauses.push((begun, Instant::now()));
    }
    for tenant in &chaos.tenants {
        tenant.go_back(at);
    }
    chaos.history.note(EVERYWHERE, format!("etcd is restored, after {:?}", begun.elapsed()));
}

/// Has every watch of both replicas deliver a version that the restored server does not reach:
/// an object, a Secret of ours and another one. Returns whether both hold them.
async fn show_versions(chaos: &Chaos) -> bool {
    for replica in chaos.replicas.lock().await.iter_mut() {
        replica.proxy.set_chances(None);
    }
    let tenant = &chaos.tenants[0];
    let patch = Patch::Merge(json!({"metadata": {"labels": {"shown": "late"}}}));
    let params = PatchParams { field_manager: Some(PERSON.to_owned()), ..PatchParams::default() };
    tenant.secrets().patch("steady-keys", &params, &patch).await.unwrap();
    let secret = tenant.secrets().patch(STEADY, &params, &patch).await.unwrap();
    let object = tenant.objects().patch(STEADY, &params, &patch).await.unwrap();
    let is_held = |held: &[CachedObject], version: Option<String>| {
        let version = version.and_then(|version| version.parse().ok()).unwrap_or(u64::MAX);
        held.iter().any(|held| {
            held.namespace == tenant.namespace && held.name == STEADY && held.resource_version >= version
        })
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let memories: Vec<_> = chaos.replicas.lock().await.iter().filter_map(Replica::memory).collect();
        let is_shown = memories.iter().all(|memory| {
            is_held(&memory.presigned_urls, object.resource_version())
                && is_held(&memory.secrets, secret.resource_version())
        });
        if is_shown && memories.len() == 2 {
            return true;
        }
        if Instant::now() > deadline {
            chaos.history.note(EVERYWHERE, "the replicas do not hold what was changed last");
            return false;
        }
    }
}
