//! The order of things for one size of fleet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::calls::Calls;
use super::ceiling::Written;
use super::follow::Follower;
use super::operator::Operator;
use super::result::{Counted, Fleet, Idle, Renewal, Rotation, Start, Writing};
use super::scene::{FLEET, Scene};
use super::watches::{self, Watch};
use super::{bulk, calls, latency, plain, turns};

/// How many objects share the access key that is rotated.
const ROTATED: usize = 10_000;
/// How many objects are renewed while they are watched.
const SHORT_LIVED: usize = 50;

/// Measures one size of fleet, on a control plane of its own.
pub(crate) async fn run(objects: usize, idle_seconds: usize) -> Fleet {
    let scene = Scene::set().await;
    say(objects, "the control plane is up");
    let operator = Operator::start(&scene);
    operator.ready().await;
    operator.quiet().await;
    let empty_kib = operator.memory();
    let sample = scene.sample().await;
    operator.stop();

    bulk::create(&scene.client, FLEET, objects, fleet_object).await;
    say(objects, "the objects exist");
    let others_idle = latency::of_others(&scene.client, after(Duration::from_secs(5))).await;
    let mut written = turns::prepare(&scene, &sample, objects).await;
    let (operator, issuance, others_busy) = issue(&scene, objects, &written).await;
    everything_is_issued(&scene, objects).await;
    let issued_kib = operator.memory();
    let renewals_spread = renewals_spread(&scene).await;
    operator.stop();
    let (operator, start) = start(&scene).await;
    let started_kib = operator.memory();
    say(objects, &format!("started in {:.2} s, lists {:.2} s", start.ready_seconds, start.lists_seconds));
    turns::prepare_again(&scene, &sample, objects.min(ROTATED), &mut written).await;
    let rotation = rotate(&scene, &operator, objects.min(ROTATED), &written).await;
    let latency = latency::apply_to_url(&scene.client, 100).await;
    say(objects, &format!("latency {latency:.1?}"));
    let renewal = renew(&scene, &operator).await;
    operator.quiet().await;
    let idle = idle(&scene, &operator, idle_seconds).await;
    operator.stop();
    Fleet {
        objects,
        empty_kib,
        issuance,
        issued_kib,
        started_kib,
        start,
        idle,
        rotation,
        renewal,
        latency,
        renewals_spread,
        others_idle,
        others_busy,
    }
}

fn say(objects: usize, what: &str) {
    println!("fleet of {objects}: {what}");
}

pub(crate) fn fleet_object(number: usize) -> Value {
    let keys = if number < ROTATED { "shared-keys" } else { "keys" };
    bulk::presigned_url(&format!("object-{number:06}"), keys, &Value::Null)
}

fn after(time: Duration) -> impl Fn() -> bool {
    let end = Instant::now() + time;
    move || Instant::now() >= end
}

/// Starts an operator that finds everything to do, and lets it finish. Also returns how
/// long somebody else's writes took meanwhile.
async fn issue(scene: &Scene, objects: usize, written: &Written) -> (Operator, Writing, latency::Spread) {
    let path = plain::presigned_urls(FLEET);
    let observer = Watch::open(&scene.client, &path, "", false).await;
    let operator = Operator::start(scene);
    let mut follower = Follower::new(&observer, &operator, objects as u64);
    let done = AtomicBool::new(false);
    let taken = async {
        let turns = turns::take(scene, &operator, &mut follower, objects, written).await;
        done.store(true, Ordering::Relaxed);
        turns
    };
    let others = latency::of_others(&scene.client, || done.load(Ordering::Relaxed));
    let (turns, others) = tokio::join!(taken, others);
    let mut writing = Writing { turns, ..follower.end() };
    operator.quiet().await;
    writing.calls = operator.calls().await.since(&Calls::default());
    say_turns(objects, &writing);
    (operator, writing, others)
}

fn say_turns(objects: usize, writing: &Writing) {
    for side in &writing.turns {
        say(objects, &format!("turns at a width of {}: {:.0?}/s", side.width, side.rates));
    }
}

async fn everything_is_issued(scene: &Scene, objects: usize) {
    let issued = bulk::count(&scene.client, &plain::presigned_urls(FLEET), "Issued").await;
    assert_eq!(issued, objects + 1, "with the sample");
}

async fn start(scene: &Scene) -> (Operator, Start) {
    let before = lists(scene).await;
    let counts = calls::answered(&scene.client).await;
    let operator = Operator::start(scene);
    let ready_seconds = operator.ready().await;
    operator.quiet().await;
    let by_api_server = calls::answered(&scene.client).await.since(&counts);
    let calls = Counted { by_api_server, by_operator: operator.calls().await.since(&Calls::default()) };
    let cpu_seconds = operator.cpu_seconds();
    let lists_seconds = before.min(lists(scene).await);
    (operator, Start { ready_seconds, lists_seconds, cpu_seconds, calls })
}

/// How long a bare client's lists take.
async fn lists(scene: &Scene) -> f64 {
    let begun = Instant::now();
    watches::lists(&scene.client, FLEET).await;
    begun.elapsed().as_secs_f64()
}

async fn idle(scene: &Scene, operator: &Operator, seconds: usize) -> Idle {
    let (cpu, begun) = (operator.cpu_seconds(), Instant::now());
    let calls = counted(scene, operator, Duration::from_secs(seconds as u64)).await;
    let (seconds, cpu_seconds) = (begun.elapsed().as_secs_f64(), operator.cpu_seconds() - cpu);
    Idle { seconds, cpu_seconds, calls }
}

/// The calls of the next `time`.
async fn counted(scene: &Scene, operator: &Operator, time: Duration) -> Counted {
    let before = (calls::answered(&scene.client).await, operator.calls().await);
    tokio::time::sleep(time).await;
    Counted {
        by_api_server: calls::answered(&scene.client).await.since(&before.0),
        by_operator: operator.calls().await.since(&before.1),
    }
}

async fn rotate(scene: &Scene, operator: &Operator, objects: usize, written: &Written) -> Rotation {
    let urls = plain::presigned_urls(FLEET);
    let secrets = format!("{}/{FLEET}/secrets", plain::CORE);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let expiries = plain::pages(&scene.client, &urls, |object| {
        (text(&object["metadata"]["name"]), text(&object["status"]["expirationTime"]))
    });
    let expiries: HashMap<_, _> = expiries.await.into_iter().collect();
    let observer = Watch::open(&scene.client, &urls, "", false).await;
    let before = operator.calls().await;
    let mut follower = Follower::new(&observer, operator, objects as u64);
    bulk::write_keys(&scene.client, FLEET, "shared-keys", "another/secret/access/key/EXAMPLEKEY").await;
    let turns = turns::take(scene, operator, &mut follower, objects, written).await;
    let mut writing = Writing { turns, ..follower.end() };
    operator.quiet().await;
    writing.calls = operator.calls().await.since(&before);
    say_turns(objects, &writing);
    let mut secrets_written = plain::pages(&scene.client, &secrets, |secret| {
        let version: u64 = text(&secret["metadata"]["resourceVersion"]).parse().unwrap();
        (version, text(&secret["metadata"]["name"]))
    })
    .await;
    secrets_written.sort_unstable();
    let is_rotated = |name: &str| {
        name.strip_prefix("object-").and_then(|n| n.parse::<usize>().ok()).is_some_and(|n| n < ROTATED)
    };
    let order: Vec<&String> = secrets_written
        .iter()
        .filter(|(_, name)| is_rotated(name))
        .filter_map(|(_, name)| expiries.get(name))
        .collect();
    let good = order.windows(2).filter(|pair| pair[0] <= pair[1]).count();
    Rotation { writing, in_order: good as f64 / (order.len() - 1).max(1) as f64 }
}

/// Lets URLs of one minute be renewed once, and counts what that took: they are renewed
/// ten seconds after they were signed, all at once.
async fn renew(scene: &Scene, operator: &Operator) -> Renewal {
    let changes = json!({"expiresIn": "1m", "renewBefore": "50s"});
    let object = |number| bulk::presigned_url(&format!("short-{number}"), "keys", &changes);
    bulk::create(&scene.client, FLEET, SHORT_LIVED, object).await;
    operator.quiet().await;
    let calls = counted(scene, operator, Duration::from_secs(10)).await;
    for number in 0..SHORT_LIVED {
        let path = format!("{}/{FLEET}/presignedurls/short-{number}", plain::GROUP);
        plain::delete(&scene.client, &path).await;
    }
    Renewal { objects: SHORT_LIVED as u64, calls }
}

/// How far apart the renewals of the fleet are, each seen from its own signing time.
async fn renewals_spread(scene: &Scene) -> f64 {
    let path = plain::presigned_urls(FLEET);
    let time = |value: &Value| -> f64 {
        let time: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
        time.as_second() as f64
    };
    let shares = plain::pages(&scene.client, &path, |object| {
        let status = &object["status"];
        let signed = time(&status["signingTime"]);
        (time(&status["renewalTime"]) - signed) / (time(&status["expirationTime"]) - signed)
    })
    .await;
    let (least, most) =
        shares.iter().fold((1.0_f64, 0.0_f64), |(a, b), share| (a.min(*share), b.max(*share)));
    most - least
}
