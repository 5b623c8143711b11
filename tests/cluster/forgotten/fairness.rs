//! Who is served first, with one worker or two. What is asserted is the order, not the time
//! that it takes.

use serde_json::json;
use testbed::{Proxy, WatchEvent};

use super::{PATIENT, delivered, now, pass, secret_writes, times_of_writes};
use crate::harness::{DEADLINE, Operator, Space, UNOPPOSED, text};

const ONE_WORKER: (&str, &str) = ("PRESIGN_MAX_IN_FLIGHT", "1");

/// How many objects want something at once.
const MANY: usize = 30;

/// Two namespaces and no operator yet; the proxy belongs to the first.
async fn two_namespaces(prefix: &str) -> (Space, Space, Proxy) {
    let (space, proxy) = Space::behind_proxy(prefix).await;
    let other = Space::new(prefix).await;
    space.operator.stop();
    other.operator.stop();
    (space, other, proxy)
}

/// One operator for both.
fn start(space: &mut Space, other: &Space, proxy: &Proxy, workers: &str) {
    let variables = [
        ("KUBECONFIG", proxy.kubeconfig().to_str().unwrap()),
        ("PRESIGN_MAX_IN_FLIGHT", workers),
        UNOPPOSED,
        PATIENT,
    ];
    let namespaces = [space.namespace.as_str(), other.namespace.as_str()];
    space.operator = Operator::start_for(space.world, &namespaces, &space.namespace, &variables);
}

#[tokio::test]
async fn a_renewal_goes_before_a_burst_of_new_objects() {
    let (space, proxy) = Space::behind_proxy_with("burst", &[UNOPPOSED, PATIENT, ONE_WORKER]).await;
    space.apply("short", space.spec(json!({"expiresIn": "1m", "renewBefore": "50s"}))).await;
    space.wait_ready("short", "True", "Issued").await;
    // The one worker is busy while the rest arrives, and until the renewal is more than due:
    // less than half of its overlap is left.
    let hold = proxy.hold(secret_writes("busy"));
    space.apply("busy", space.spec(json!({}))).await;
    assert!(hold.reached(DEADLINE).await);
    let first = space.secrets().get("short").await.unwrap();
    let names: Vec<String> = (0..MANY).map(|number| format!("new-{number}")).collect();
    for name in &names {
        space.apply(name, space.spec(json!({}))).await;
    }
    pass(text(&first, "expires-at").parse().unwrap(), -23).await;
    let released = now();
    hold.release();
    space.wait_secret("short", "its renewal", |secret| text(secret, "url") != text(&first, "url")).await;
    for name in &names {
        space.wait_ready(name, "True", "Issued").await;
    }
    let renewed = times_of_writes(&space, "short").await.into_iter().find(|time| *time > released).unwrap();
    let mut before = 0;
    for name in &names {
        before += usize::from(times_of_writes(&space, name).await[0] < renewed);
    }
    assert!(before <= 1, "{before} of {MANY} new objects were served before the renewal");
}

#[tokio::test]
async fn a_burst_in_one_namespace_leaves_every_second_turn_to_another() {
    let (mut space, other, proxy) = two_namespaces("turns").await;
    start(&mut space, &other, &proxy, "1");
    // The one worker is busy while all of them arrive.
    let hold = proxy.hold(secret_writes("busy"));
    space.apply("busy", space.spec(json!({}))).await;
    assert!(hold.reached(DEADLINE).await);
    let names: Vec<String> = (0..MANY).map(|number| format!("burst-{number}")).collect();
    for name in &names {
        space.apply(name, space.spec(json!({}))).await;
    }
    let seen = WatchEvent::new("presignedurls", "ADDED", "victim");
    delivered(&proxy, seen, other.apply("victim", other.spec(json!({})))).await;
    hold.release();
    other.wait_ready("victim", "True", "Issued").await;
    let victim = times_of_writes(&other, "victim").await[0];
    let mut before = 0;
    for name in &names {
        space.wait_ready(name, "True", "Issued").await;
        before += usize::from(times_of_writes(&space, name).await[0] < victim);
    }
    assert!(before <= 1, "{before} of {MANY} were served before the other namespace");
}

#[tokio::test]
async fn a_namespace_whose_writes_hang_leaves_a_worker_to_the_others() {
    let (mut space, other, proxy) = two_namespaces("stuck").await;
    start(&mut space, &other, &proxy, "2");
    // Both workers are busy while the rest arrives.
    let busy = ["busy-1", "busy-2"].map(|name| (name, proxy.hold(secret_writes(name))));
    for (name, hold) in &busy {
        space.apply(name, space.spec(json!({}))).await;
        assert!(hold.reached(DEADLINE).await);
    }
    let mut stuck = Vec::new();
    for number in 0..MANY {
        let name = format!("stuck-{number}");
        stuck.push(proxy.hold(secret_writes(&name)));
        space.apply(&name, space.spec(json!({}))).await;
    }
    let victim = WatchEvent::new("presignedurls", "ADDED", "victim");
    delivered(&proxy, victim, other.apply("victim", other.spec(json!({})))).await;
    drop(busy);
    other.wait_ready("victim", "True", "Issued").await;
    assert!(space.secrets().get_opt("stuck-0").await.unwrap().is_none(), "those still hang");
}
