//! Calls that hang for longer than the lease lasts that they were begun under, with the default lease of 15 s and,
//! where a story does not say otherwise, 15 s for a call.

use std::time::Duration;

use serde_json::json;
use testbed::{Fault, Match, Proxy};

use super::{PATIENT, issue_another, secret_writes, status_writes, times_of_writes};
use crate::harness::{DEADLINE, Space, ready, text};

/// The default lease duration. The harness sets a longer one.
const USUAL_LEASE: (&str, &str) = ("PRESIGN_LEASE_DURATION", "15");

const HANG: Duration = Duration::from_secs(20);

/// For the hang, the backoff after it, and a slow machine.
const A_WHILE: Duration = Duration::from_secs(70);

/// How many writes to a path came to the proxy.
fn writes(proxy: &Proxy, path: &str) -> usize {
    let is_write = |request: &&String| !request.starts_with("GET") && request.contains(path);
    proxy.seen().iter().filter(is_write).count()
}

#[tokio::test]
async fn a_renewal_that_hangs_beyond_the_lease_is_tried_again() {
    let (space, proxy) = Space::behind_proxy_with("hanging-renewal", &[USUAL_LEASE]).await;
    space.apply("report", space.spec(json!({"expiresIn": "2m", "renewBefore": "100s"}))).await;
    space.wait_ready("report", "True", "Issued").await;
    proxy.fault(secret_writes("report"), 1, Fault::Hang(HANG));
    let first = space.data("report", "url").await;
    space
        .wait_for(A_WHILE, space.secrets(), "report", "a renewal after the one that hung", |secret| {
            (text(secret?, "url") != first).then_some(())
        })
        .await;
    assert!(writes(&proxy, "secrets/report") >= 2, "the call that hung, and its repetition");
}

#[tokio::test]
async fn a_first_write_that_hangs_beyond_the_lease_is_tried_again() {
    let (space, proxy) = Space::behind_proxy_with("hanging-create", &[USUAL_LEASE]).await;
    proxy.fault(secret_writes("report"), 1, Fault::Hang(HANG));
    space.apply("report", space.spec(json!({}))).await;
    space
        .wait_for(A_WHILE, space.secrets(), "report", "a URL after the write that hung", |secret| {
            secret.map(drop)
        })
        .await;
    assert!(writes(&proxy, "secrets") >= 2, "the call that hung, and its repetition");
    space.wait_ready("report", "True", "Issued").await;
}

#[tokio::test]
async fn a_status_that_hangs_beyond_the_lease_is_written_again() {
    let (space, proxy) = Space::behind_proxy_with("hanging-status", &[USUAL_LEASE]).await;
    issue_another(&space, "another").await;
    // Otherwise what the watch shows of the Secret may come while the status hangs, and have
    // the object looked at again.
    let _still = proxy.pause_watches("secrets");
    proxy.fault(status_writes("report"), 1, Fault::Hang(HANG));
    space.apply("report", space.spec(json!({}))).await;
    space
        .wait_for(A_WHILE, space.presigned_urls(), "report", "a status after the one that hung", |object| {
            ready(object?).is_some_and(|ready| ready.status == "True").then_some(())
        })
        .await;
    assert!(writes(&proxy, "report/status") >= 2, "the call that hung, and its repetition");
    assert_eq!(times_of_writes(&space, "report").await.len(), 1, "and nothing is minted for it");
}

#[tokio::test]
async fn an_event_that_the_end_of_a_term_stopped_is_written_in_the_next_one() {
    let (space, proxy) = Space::behind_proxy_with("hanging-event", &[USUAL_LEASE, PATIENT]).await;
    proxy.fault(Match::new("POST", "/events"), 1, Fault::HangUntilHealed);
    space.apply("report", space.spec(json!({}))).await;
    assert!(proxy.wait_for("/events", 1, DEADLINE).await, "no event was written");
    proxy.fault(Match::new("PUT", "/leases/"), u64::MAX, Fault::HangUntilHealed);
    let is_standby = |page: &str| page.contains("presign_leader 0\n");
    space.operator.wait_metrics(DEADLINE, "a standby", is_standby).await;
    // Until the operator has closed the connection of the write.
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.heal();
    space.wait_event("report", "Normal Issued").await;
    assert_eq!(space.events("report").await, ["Normal Issued"]);
}
