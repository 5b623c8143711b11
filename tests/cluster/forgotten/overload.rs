//! An API server that is overloaded says so in plain text, and in a header for how long it
//! wants to be left alone.

use std::time::{Duration, Instant};

use serde_json::json;
use testbed::{Fault, Match};

use super::secret_writes;
use crate::harness::{DEADLINE, Space, audit};

const RETRY_AFTER: u32 = 8;

#[tokio::test]
async fn an_overloaded_api_server_is_left_alone_for_as_long_as_it_asks() {
    let (space, proxy) = Space::behind_proxy("overload").await;
    proxy.fault(secret_writes("first"), 1, Fault::Overloaded { retry_after: RETRY_AFTER });
    let begun = Instant::now();
    space.apply("first", space.spec(json!({}))).await;
    let refused = async {
        // A create and a patch both begin so.
        while !proxy.seen().iter().any(|request| is_secret_write(request)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, refused).await.expect("a write that is refused");
    // The pause is everybody's.
    space.apply("second", space.spec(json!({}))).await;
    let second = async {
        space.wait_ready("second", "True", "Issued").await;
        begun.elapsed()
    };
    let first = async {
        space.wait_ready("first", "True", "Issued").await;
        begun.elapsed()
    };
    let (first, second) = futures::join!(first, second);
    let asked = Duration::from_secs(RETRY_AFTER.into());
    assert!(
        first >= asked && second >= asked,
        "asked for {asked:?}; it came back to the first after {first:?}, to the second after {second:?}"
    );
}

fn is_secret_write(request: &str) -> bool {
    request.contains("/secrets") && (request.starts_with("POST") || request.starts_with("PATCH"))
}

#[tokio::test]
async fn a_refused_write_makes_no_further_writes() {
    let (space, proxy) = Space::behind_proxy("refused").await;
    let names: Vec<String> = (0..3).map(|number| format!("r{number}")).collect();
    for name in &names {
        proxy.fault(secret_writes(name), 1, Fault::Overloaded { retry_after: 1 });
    }
    for name in &names {
        space.apply(name, space.spec(json!({}))).await;
    }
    for name in &names {
        space.wait_ready(name, "True", "Issued").await;
        space.wait_event(name, "Normal Issued").await;
        assert_eq!(space.events(name).await, ["Normal Issued"], "{name}");
    }
    let calls = audit(&space).await;
    let statuses = calls.iter().filter(|call| call.starts_with("patch presignedurls/")).count();
    assert_eq!(statuses, names.len(), "one for each URL: {calls:?}");
}

#[tokio::test]
async fn the_pause_is_the_same_whatever_was_refused() {
    let (space, proxy) = Space::behind_proxy("overload-status").await;
    let statuses = Match::new("PATCH", "/presignedurls/report/status");
    proxy.fault(statuses, 1, Fault::Overloaded { retry_after: RETRY_AFTER });
    let begun = Instant::now();
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_secs(RETRY_AFTER.into()), "it came back after {waited:?}");
}
