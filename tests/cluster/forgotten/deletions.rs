//! Deletions that the watch shows before an answer, or while a reconcile is under way: what is
//! gone stays gone, and what has to be there comes back.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Preconditions};
use serde_json::json;
use testbed::{Fault, Hold, Match, Proxy, WatchEvent};

use super::{delivered, issue_another, secret_writes, status_writes, times_of_writes, uid};
use crate::harness::{COLLECTED, DEADLINE, Space, UNOPPOSED, text};

/// Deletes the Secret called `report`, if it is still this one.
async fn delete(space: &Space, secret: &Secret) {
    let preconditions = Preconditions { uid: Some(uid(secret)), resource_version: None };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    space.secrets().delete("report", &params).await.unwrap();
}

/// Waits until the operator has taken in what its watch of objects has shown up to now: it judges an
/// object that came later, for which it needs nothing that is held.
async fn taken_in(space: &Space) {
    let spec = space.spec(json!({"s3": {"credentials": {"secretRef": {"name": "absent"}}}}));
    space.apply("later", spec).await;
    space.wait_ready("later", "False", "CredentialsNotFound").await;
}

fn secret_deleted() -> WatchEvent {
    WatchEvent::new("secrets", "DELETED", "report")
}

fn object_deleted() -> WatchEvent {
    WatchEvent::new("presignedurls", "DELETED", "report")
}

#[tokio::test]
async fn a_secret_deleted_before_the_answer_to_its_first_write_is_written_again() {
    let (space, proxy) = Space::behind_proxy("overtaken-create").await;
    proxy.fault(secret_writes("report"), 1, Fault::AnswerAfter(secret_deleted()));
    space.apply("report", space.spec(json!({}))).await;
    let first = space.wait_secret("report", "its first URL", |_| true).await;
    delete(&space, &first).await;
    space.wait_secret("report", "another Secret", |secret| uid(secret) != uid(&first)).await;
    space.wait_ready("report", "True", "Issued").await;
    assert_eq!(space.download("report").await.unwrap(), "content");
}

#[tokio::test]
async fn a_secret_deleted_before_the_answer_to_its_renewal_is_written_again() {
    let (space, proxy) = Space::behind_proxy("overtaken-update").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let first = space.secrets().get("report").await.unwrap();
    proxy.fault(secret_writes("report"), 1, Fault::AnswerAfter(secret_deleted()));
    space.apply("report", space.spec(json!({"expiresIn": "2h"}))).await;
    let second =
        space.wait_secret("report", "the edit", |secret| text(secret, "url") != text(&first, "url")).await;
    delete(&space, &second).await;
    space.wait_secret("report", "another Secret", |secret| uid(secret) != uid(&second)).await;
    space.wait_ready("report", "True", "Issued").await;
    assert_eq!(space.download("report").await.unwrap(), "content");
}

/// Has the object deleted while the answer to its first status is under way, and that answer
/// arrive after the deletion.
async fn delete_before_the_answer_to_the_status(space: &Space, proxy: &Proxy, policy: &str) {
    let hold = proxy.hold_answer(status_writes("report"));
    space.apply("report", space.spec(json!({"secret": {"deletionPolicy": policy}}))).await;
    assert!(hold.reached(DEADLINE).await);
    let deleting = async {
        space.presigned_urls().delete("report", &DeleteParams::default()).await.unwrap();
    };
    delivered(proxy, object_deleted(), deleting).await;
    taken_in(space).await;
    hold.release();
    issue_another(space, "another").await;
}

#[tokio::test]
async fn a_retained_secret_is_never_written_again_after_its_object_is_gone() {
    let (space, proxy) = Space::behind_proxy("gone-retain").await;
    delete_before_the_answer_to_the_status(&space, &proxy, "Retain").await;
    let kept = super::version(&space, "report").await;
    // Two rotations: the second one comes after all that the first one set off.
    for key in ["rotated", space.world.store.secret_access_key()] {
        let before = space.data("another", "url").await;
        space.write_keys(key).await;
        space.wait_secret("another", "the rotated key", |secret| text(secret, "url") != before).await;
        space.wait_ready("another", "True", "Issued").await;
    }
    assert_eq!(super::version(&space, "report").await, kept, "nobody renews what nobody asks for");
}

#[tokio::test]
async fn a_collected_secret_is_not_made_again_after_its_object_is_gone() {
    let (space, proxy) = Space::behind_proxy("gone-delete").await;
    let awaited = proxy.expect(secret_deleted());
    delete_before_the_answer_to_the_status(&space, &proxy, "Delete").await;
    assert!(awaited.delivered(COLLECTED).await, "the garbage collector takes it");
    for marker in ["second", "third"] {
        issue_another(&space, marker).await;
    }
    let writes = times_of_writes(&space, "report").await;
    assert_eq!(writes.len(), 1, "it was written once, for an object that was there: {writes:?}");
}

/// An operator in the midst of the first reconcile of `report`: it waits for the access key.
async fn reading_the_key(prefix: &str) -> (Space, Proxy, Hold) {
    let (space, proxy) = Space::behind_proxy_with(prefix, &[UNOPPOSED]).await;
    let hold = proxy.hold_answer(Match::new("GET", "/secrets/keys"));
    space.apply("report", space.spec(json!({"secret": {"deletionPolicy": "Retain"}}))).await;
    assert!(hold.reached(DEADLINE).await);
    (space, proxy, hold)
}

/// Lets the answer through once the operator has taken in the deletion; nothing may be written then.
async fn expect_no_secret(space: &Space, hold: Hold) {
    taken_in(space).await;
    hold.release();
    issue_another(space, "another").await;
    let writes = times_of_writes(space, "report").await;
    assert!(writes.is_empty(), "its deletion was known: {writes:?}");
    assert!(space.secrets().get_opt("report").await.unwrap().is_none());
}

#[tokio::test]
async fn nothing_is_made_for_an_object_that_was_deleted_while_its_key_was_read() {
    let (space, proxy, hold) = reading_the_key("deleted-reading").await;
    let deleting = async {
        space.presigned_urls().delete("report", &DeleteParams::default()).await.unwrap();
    };
    delivered(&proxy, object_deleted(), deleting).await;
    expect_no_secret(&space, hold).await;
}

#[tokio::test]
async fn nothing_is_made_for_an_object_that_is_being_deleted_in_the_foreground() {
    let (space, proxy, hold) = reading_the_key("foreground").await;
    let modified = || WatchEvent::new("presignedurls", "MODIFIED", "report");
    // It stays for as long as somebody else's finalizer does, as it would for its dependents.
    let finalizer = r#"{"metadata":{"finalizers":["example.com/stay"]}}"#;
    let patching = async { space.kubectl(&["patch", "psu", "report", "--type=merge", "-p", finalizer]) };
    delivered(&proxy, modified(), patching).await;
    let deleting =
        async { space.kubectl(&["delete", "psu", "report", "--cascade=foreground", "--wait=false"]) };
    delivered(&proxy, modified(), deleting).await;
    expect_no_secret(&space, hold).await;
    space.kubectl(&["patch", "psu", "report", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]);
}

#[tokio::test]
async fn nothing_is_made_for_an_object_that_was_deleted_while_the_process_was_paused() {
    let (space, proxy, hold) = reading_the_key("paused").await;
    space.operator.signal("STOP");
    let deleting = async {
        space.presigned_urls().delete("report", &DeleteParams::default()).await.unwrap();
    };
    // Delivered as far as the process's socket: it sees that first when it goes on.
    delivered(&proxy, object_deleted(), deleting).await;
    space.operator.signal("CONT");
    expect_no_secret(&space, hold).await;
}
