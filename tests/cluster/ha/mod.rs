//! Several replicas: one of them writes, whatever happens to it, and another takes over.
//!
//! What is judged is the API server's own audit log and the history of the Lease.

mod calls;
mod judge;
mod late;
mod replica;
mod troubles;

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use testbed::{Fault, Match, eventually, number};

use super::harness::{DEADLINE, Space, ready, text};
use judge::Judge;
use replica::Replicas;

/// Short, so that the stories are; the default is 15 s.
const LEASE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn one_leads_through_every_trouble_and_nothing_is_forgotten() {
    let space = Space::new("ha").await;
    let mut replicas = Replicas::start(&space, 2, LEASE).await;
    let judge = Judge::begin(&space);
    let work = troubles::Work::begin(&space, 6).await;

    troubles::blip(&judge, &replicas, &space).await;
    for round in 0..troubles::KINDS {
        troubles::round(round, &judge, &mut replicas, &work, &space).await;
    }
    work.end(&space).await;
    replicas.stop();
    judge.verdict(&space, troubles::KINDS - 1).await;
}

#[tokio::test]
async fn standbys_are_ready_and_only_the_leader_counts_as_one() {
    let space = Space::new("standby").await;
    let replicas = Replicas::start(&space, 3, LEASE).await;
    let judge = Judge::begin(&space);
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let leader = judge.holder().await;
    for replica in replicas.all() {
        let is_leader = i32::from(leader.starts_with(replica.name()));
        // Its own watch may show the object later than ours.
        let is_warm = async {
            while !replica.page("/metrics").contains("presign_objects{ready=\"True\"} 1\n") {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(DEADLINE, is_warm).await.expect("a standby keeps its memory warm");
        let metrics = replica.page("/metrics");
        assert!(metrics.contains(&format!("presign_leader {is_leader}\n")), "{metrics}");
        assert_eq!(replica.page("/readyz").trim(), "ok");
    }
}

#[tokio::test]
async fn a_write_of_a_stopped_leader_that_arrives_late_is_refused() {
    let space = Space::new("stale").await;
    let replicas = Replicas::start(&space, 2, LEASE).await;
    let judge = Judge::begin(&space);
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let first = space.secrets().get("report").await.unwrap();

    let old = judge.holder().await;
    let leader = replicas.leader(&old);
    let late = leader.proxy().hold(Match::new("PATCH", "/secrets/report?"));
    space.ask_for_renewal("report", "one");
    assert!(late.reached(DEADLINE).await);
    leader.signal("STOP");
    judge.another_than(&old, DEADLINE).await;
    space.wait_secret("report", "a new URL", |secret| text(secret, "url") != text(&first, "url")).await;
    space.wait("report", "its report", |object| handled(object) == Some("one")).await;
    let newer = space.secrets().get("report").await.unwrap();
    late.release();
    judge.refused(&space, leader.name(), "secrets").await;
    leader.signal("CONT");
    // The old one is a standby now: a later object is written by the new one.
    space.apply("later", space.spec(json!({}))).await;
    space.wait_ready("later", "True", "Issued").await;
    let after = space.secrets().get("report").await.unwrap();
    assert_eq!(after.metadata.resource_version, newer.metadata.resource_version);
    replicas.stop();
    judge.verdict(&space, 1).await;
}

#[tokio::test]
async fn a_leader_with_a_long_queue_hands_over_without_working_it_off() {
    let space = Space::new("queue").await;
    // With the default lease: what is not given back would be waited for.
    let replicas = Replicas::start(&space, 2, Duration::from_secs(15)).await;
    let judge = Judge::begin(&space);
    let old = judge.holder().await;
    let leader = replicas.leader(&old);
    leader.proxy().fault(Match::new("POST", "/secrets?"), u64::MAX, Fault::Delay(Duration::from_secs(6)));
    // Far faster than they are written, since 32 of them take six seconds.
    let names: Vec<String> = (0..120).map(|number| format!("r{number}")).collect();
    join_all(names.iter().map(|name| space.apply(name, space.spec(json!({}))))).await;
    let begun = Instant::now();
    leader.signal("TERM");
    judge.another_than(&old, DEADLINE).await;
    println!("with 120 objects to write another leads in {:?}", begun.elapsed());
    assert!(judge.gave_back(&old), "the lease is released, nobody waits for its end");
    for name in &names {
        space.wait_ready(name, "True", "Issued").await;
    }
    // The rest of the queue was left to the new leader.
    let by_the_new = judge.created_by_others(&space, leader.name()).await;
    assert!(by_the_new > 0, "the old leader wrote all 120 Secrets before it handed over");
    replicas.stop();
    judge.verdict(&space, 1).await;
}

#[tokio::test]
async fn a_creating_write_is_given_up_at_the_deadline() {
    let space = Space::new("creating").await;
    let replicas = Replicas::start(&space, 2, LEASE).await;
    let judge = Judge::begin(&space);
    let old = judge.holder().await;
    let leader = replicas.leader(&old);
    let held = leader.proxy().hold(Match::write("secrets", "report"));
    space.apply("report", space.spec(json!({}))).await;
    assert!(held.reached(DEADLINE).await);
    // It runs on, but its lease is out of its reach.
    leader.proxy().fault(Match::new("*", "/leases"), u64::MAX, Fault::Drop);
    judge.another_than(&old, DEADLINE).await;
    space.wait_ready("report", "True", "Issued").await;
    let created = space.secrets().get("report").await.unwrap();
    held.release();
    leader.heal();
    space.apply("later", space.spec(json!({}))).await;
    space.wait_ready("later", "True", "Issued").await;
    let after = space.secrets().get("report").await.unwrap();
    assert_eq!(after.metadata.resource_version, created.metadata.resource_version);
    assert_eq!(leader.page("/readyz").trim(), "ok", "it is a standby now");
    let object = space.presigned_urls().get("report").await.unwrap();
    assert_eq!(ready(&object).unwrap().reason, "Issued", "giving up is no failure to report");
    // Whoever loses the lease right after the status writes no event, so another object shows that all are written.
    let is_told = async |name: &str| {
        eventually(Duration::from_secs(5), async || {
            space.events(name).await.contains(&"Normal Issued".to_owned())
        })
        .await
    };
    let mut tries = 0;
    while !is_told("later").await {
        tries += 1;
        assert!(tries < 10, "no event \"Normal Issued\"");
        space.renew("later", &tries.to_string()).await;
    }
    assert!(space.events("report").await.iter().all(|event| event == "Normal Issued"));
    replicas.stop();
    judge.verdict(&space, 1).await;
}

#[tokio::test]
#[ignore = "minutes of it: make ha-soak"]
async fn soak() {
    let minutes = number("HA_MINUTES", 10);
    let space = Space::new("hasoak").await;
    let mut replicas = Replicas::start(&space, 3, LEASE).await;
    let judge = Judge::begin(&space);
    let work = troubles::Work::begin(&space, 20).await;
    let ends = Instant::now() + Duration::from_secs(60 * minutes);
    let mut rounds = 0;
    while Instant::now() < ends {
        troubles::round(rounds, &judge, &mut replicas, &work, &space).await;
        rounds += 1;
    }
    work.end(&space).await;
    replicas.stop();
    // Through a hang the leader stays.
    judge.verdict(&space, rounds - rounds.div_ceil(troubles::KINDS)).await;
}

/// The renewal that was answered last.
fn handled(object: &presign_operator::crd::PresignedUrl) -> Option<&str> {
    object.status.as_ref()?.last_handled_renew.as_deref()
}
