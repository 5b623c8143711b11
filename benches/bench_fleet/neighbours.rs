//! The renewals of one namespace while another one makes work. On a control plane of its own,
//! with an operator for the whole cluster that has the chart's rights and no more.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use presign_operator::runtime::Clock;
use serde_json::{Value, json};
use testbed::eventually;

use super::operator::Operator;
use super::renewals::Renewals;
use super::result::{Beside, Neighbours};
use super::scene::Scene;
use super::watches::Watch;
use super::{account, bulk, plain};

const HOME: &str = "presign-system";
const RENEWED: &str = "renewed";
const CREATIONS: &str = "creations";
const HOT: &str = "hot";

/// Of 20,000 creations: 200 objects that are renewed, and 100 hot ones.
const CREATIONS_A_RENEWAL: usize = 100;
const CREATIONS_A_HOT_OBJECT: usize = 200;
/// The longest that one of the two may take.
const LIMIT: Duration = Duration::from_secs(1800);

/// Measures both, one after the other.
pub(crate) async fn run(creations: usize) -> Neighbours {
    let scene = Scene::set().await;
    for namespace in [HOME, RENEWED, CREATIONS, HOT] {
        scene.add_namespace(namespace).await;
    }
    let operator = Operator::start_as(&account::operator(&scene, HOME), HOME);
    operator.ready().await;
    let renewed = (creations / CREATIONS_A_RENEWAL).max(1);
    let mut renewals = Renewals::watch(&scene.client, RENEWED).await;
    let begun = Clock::system().now();
    bulk::create(&scene.client, RENEWED, renewed, short_lived).await;
    // A URL may have been signed in the second in which this began.
    let are_issued = async || renewals.signed_since(second_of(begun)) >= renewed;
    assert!(eventually(LIMIT, are_issued).await, "not issued in time");
    say(&format!("{renewed} objects are issued and will be renewed"));
    let creations = beside_creations(&scene, &mut renewals, renewed, creations).await;
    say(&format!("beside {} creations: {:?}", creations.objects, creations.renewed));
    let hot = (creations.objects / CREATIONS_A_HOT_OBJECT).max(1);
    let hot = beside_hot_objects(&scene, &mut renewals, renewed, hot).await;
    say(&format!("beside {} hot objects: {:?}", hot.objects, hot.renewed));
    operator.stop();
    Neighbours { creations, hot }
}

fn say(what: &str) {
    println!("neighbours: {what}");
}

/// URLs of two minutes whose renewals are spread: each is renewed 40 to 80 seconds after it was
/// signed.
fn short_lived(number: usize) -> Value {
    let before = format!("{}s", 40 + number * 7 % 41);
    let changes = json!({"expiresIn": "2m", "renewBefore": before});
    bulk::presigned_url(&format!("renewed-{number:04}"), "keys", &changes)
}

/// While a tenant creates objects as quickly as it can, and until all of them are issued.
async fn beside_creations(
    scene: &Scene,
    renewals: &mut Renewals,
    renewed: usize,
    creations: usize,
) -> Beside {
    let tenant = account::tenant(scene, CREATIONS).await;
    let object = |number| bulk::presigned_url(&format!("created-{number:06}"), "keys", &Value::Null);
    let secrets = Watch::open(&scene.client, &secrets_of(CREATIONS), "", false).await;
    let created = async {
        let begun = Instant::now();
        bulk::create(&tenant, CREATIONS, creations, object).await;
        say(&format!("{creations} objects are created in {:.0} s", begun.elapsed().as_secs_f64()));
    };
    let measured = measure(renewals, renewed, creations, &secrets, || secrets.events() >= creations as u64);
    tokio::join!(created, measured).1
}

/// While another tenant writes the access key of its objects anew as quickly as it can, so that
/// every URL of theirs asks for the next one.
async fn beside_hot_objects(scene: &Scene, renewals: &mut Renewals, renewed: usize, hot: usize) -> Beside {
    let tenant = account::tenant(scene, HOT).await;
    let secrets =
        Watch::open(&scene.client, &secrets_of(HOT), "labelSelector=presign.dev/managed", false).await;
    let object = |number| bulk::presigned_url(&format!("hot-{number:04}"), "keys", &Value::Null);
    bulk::create(&scene.client, HOT, hot, object).await;
    let are_issued = async || secrets.events() >= hot as u64;
    assert!(eventually(LIMIT, are_issued).await, "not issued in time");
    let issued = secrets.events();
    let heat = async {
        for number in 0_u64.. {
            bulk::write_keys(&tenant, HOT, "keys", &format!("secret-of-key-number-{number:08}")).await;
        }
    };
    let is_done = || secrets.events() >= issued + hot as u64;
    let mut beside = tokio::select! {
        beside = measure(renewals, renewed, hot, &secrets, is_done) => beside,
        () = heat => unreachable!("it does not end by itself"),
    };
    beside.others -= issued;
    beside
}

/// Until every object was renewed at least once and `is_done`.
async fn measure(
    renewals: &mut Renewals,
    renewed: usize,
    objects: usize,
    others: &Watch,
    is_done: impl Fn() -> bool,
) -> Beside {
    let (begun, since) = (Instant::now(), Clock::system().now());
    while renewals.signed_since(since) < renewed || !is_done() {
        if begun.elapsed() > LIMIT {
            say("not all were renewed and issued in time");
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    Beside { objects, seconds, renewed: renewals.since(since), others: others.events() }
}

fn secrets_of(namespace: &str) -> String {
    format!("{}/{namespace}/secrets", plain::CORE)
}

fn second_of(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap()
}
