//! What the operator could forget: an object whose call hung, a time that passed, a deletion
//! that an answer undid; and whom it could starve, touch or leave behind. One file a subject.
//!
//! Requests are matched by what they do, not by their verb: a Secret is written by a create or
//! by a patch.

mod contests;
mod copies;
mod deletions;
mod exclusive;
mod fairness;
mod hanging;
mod leftovers;
mod overload;
mod passed_times;
mod stored_url;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;
use testbed::{Match, Proxy, WatchEvent};

use super::harness::{DEADLINE, Space, operators_log};

/// Calls may take as long as a test holds them.
const PATIENT: (&str, &str) = ("PRESIGN_REQUEST_TIMEOUT", "300");

/// Creations and changes of a Secret.
fn secret_writes(name: &str) -> Match {
    Match::write("secrets", name)
}

fn status_writes(name: &str) -> Match {
    Match::new("PATCH", format!("/presignedurls/{name}/status"))
}

/// When the operator wrote a Secret, by the API server's audit log.
async fn times_of_writes(space: &Space, secret: &str) -> Vec<Timestamp> {
    let is_write = |entry: &&Value| {
        let is_verb = ["create", "update", "patch"].iter().any(|verb| entry["verb"] == *verb);
        let target = &entry["objectRef"];
        is_verb && target["resource"] == "secrets" && target["name"] == secret
    };
    let log = operators_log(space).await;
    let time = |entry: &Value| entry["requestReceivedTimestamp"].as_str().unwrap().parse().unwrap();
    log.iter().filter(is_write).map(time).collect()
}

/// Waits until a watch of the operator has delivered an event, and changes something meanwhile.
async fn delivered<T>(proxy: &Proxy, event: WatchEvent, change: impl Future<Output = T>) -> T {
    let awaited = proxy.expect(event.clone());
    let changed = change.await;
    assert!(awaited.delivered(DEADLINE).await, "{event:?} is delivered");
    changed
}

/// Has a URL issued for another object, so that what the operator had to do before is done.
async fn issue_another(space: &Space, name: &str) {
    space.apply(name, space.spec(Value::Object(serde_json::Map::new()))).await;
    space.wait_ready(name, "True", "Issued").await;
}

/// Waits until so many seconds after a time.
async fn pass(time: Timestamp, seconds: i64) {
    let left = time.as_millisecond() + 1000 * seconds - now().as_millisecond();
    tokio::time::sleep(Duration::from_millis(left.try_into().unwrap_or(0))).await;
}

fn now() -> Timestamp {
    presign_operator::runtime::Clock::system().now()
}

/// Its version, which every write changes.
async fn version(space: &Space, secret: &str) -> String {
    space.secrets().get(secret).await.unwrap().metadata.resource_version.unwrap()
}

/// The UID of a Secret.
fn uid(secret: &Secret) -> String {
    secret.metadata.uid.clone().unwrap()
}
