//! `renewPolicy: Never`, a link to share: it is signed once, and has an end.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use presign_operator::crd::PresignedUrl;
use serde_json::{Value, json};

use super::{A_LIFETIME, message, stalled, uid, version};
use crate::harness::{COLLECTED, DEADLINE, Operator, SECOND_KEY, Space, condition, text};
use crate::tenancy::{Tenancy, is_emptied, is_filled};

/// The spec of a link, with `changes` on top.
fn link(space: &Space, changes: Value) -> Value {
    let mut spec = space.spec(changes);
    spec["renewPolicy"] = json!("Never");
    spec
}

fn expiration(object: &PresignedUrl) -> jiff::Timestamp {
    object.status.as_ref().unwrap().expiration_time.as_ref().unwrap().0
}

#[tokio::test]
async fn a_link_is_signed_once_and_a_rotated_key_does_not_sign_it_again() {
    let space = Space::new("once").await;
    space.apply("link", link(&space, json!({}))).await;
    let object = space.wait_ready("link", "True", "Issued").await;
    assert_eq!(object.status.as_ref().unwrap().renewal_time, None);
    assert!(condition(&object, "RotationSafe").is_none(), "nothing is rotated");
    let url = space.data("link", "url").await;

    let keys = [("access-key-id", SECOND_KEY.0), ("secret-access-key", SECOND_KEY.1)];
    space.write_secret("keys", &keys).await;
    let object = space.wait_ready("link", "False", "CredentialsChanged").await;
    assert_eq!(stalled(&object), Some("CredentialsChanged"));
    assert!(message(&object).contains("presign.dev/renew"), "{}", message(&object));
    assert_eq!(space.data("link", "url").await, url);
    assert_eq!(space.download("link").await.unwrap(), "content");

    space.ask_for_renewal("link", "again");
    let object = space.wait_ready("link", "True", "Issued").await;
    assert_eq!(stalled(&object), None);
    assert!(space.data("link", "url").await.contains(SECOND_KEY.0));
    assert_eq!(space.download("link").await.unwrap(), "content");
}

#[tokio::test]
async fn a_link_that_expired_is_emptied_and_stays_so_through_a_restart() {
    let mut space = Space::new("expired").await;
    space.apply("link", link(&space, json!({"expiresIn": "1m"}))).await;
    space.wait_ready("link", "True", "Issued").await;
    let before = space.secrets().get("link").await.unwrap();
    space
        .wait_for(A_LIFETIME, space.secrets(), "link", "its end", |secret| {
            secret.filter(|secret| is_emptied(secret, "Expired")).map(drop)
        })
        .await;
    let object = space.wait_ready("link", "False", "Expired").await;
    assert_eq!(stalled(&object), Some("Expired"));
    let ended = space.secrets().get("link").await.unwrap();
    assert_eq!(uid(&ended), uid(&before), "the Secret stays, since pods may mount it");

    space.operator.stop();
    space.operator = Operator::start(space.world, &space.namespace, &[]);
    // This one looks at the link, which is the one object that has ended.
    let has_looked = |page: &str| page.contains("presign_reconcile_duration_seconds_count{result=\"ended\"}");
    space.operator.wait_metrics(DEADLINE, "the link is looked at", has_looked).await;
    space.apply("later", space.spec(json!({}))).await;
    space.wait_ready("later", "True", "Issued").await;
    assert_eq!(version(&space.secrets().get("link").await.unwrap()), version(&ended));
    let after = space.presigned_urls().get("link").await.unwrap();
    assert_eq!(after.metadata.resource_version, object.metadata.resource_version);

    space.ask_for_renewal("link", "again");
    space.wait_ready("link", "True", "Issued").await;
    let again = space.wait_secret("link", "a URL and no mark of its end", is_filled).await;
    assert_ne!(text(&again, "url"), text(&before, "url"));
    assert_eq!(space.download("link").await.unwrap(), "content");
}

#[tokio::test]
async fn a_link_that_was_withdrawn_is_not_signed_again_by_itself() {
    let tenancy = Tenancy::new("withdrawn-links").await;
    let team = &tenancy.team;
    let withdraw = json!({"whenDenied": "Withdraw"});
    let mut unlisted = tenancy.policy(json!({}), withdraw.clone());
    unlisted["allowedNamespaces"] = json!({"from": "Names", "names": ["somebody-else"]});
    for (name, change) in [("by-its-rule", tenancy.denial(withdraw)), ("by-its-namespace", unlisted)] {
        tenancy.apply_signer(json!({})).await;
        tenancy.issue(name, json!({"renewPolicy": "Never"})).await;
        tenancy.apply_signer(change).await;
        team.wait_secret(name, "no URL", |secret| is_emptied(secret, "Denied")).await;
        tenancy.apply_signer(json!({})).await;
        let object = team.wait_ready(name, "False", "Expired").await;
        assert_eq!(stalled(&object), Some("Expired"), "{name}");
        assert!(message(&object).contains("presign.dev/renew"), "{name}: {}", message(&object));
        assert!(is_emptied(&team.secrets().get(name).await.unwrap(), "Denied"), "{name}");
        team.ask_for_renewal(name, "again");
        team.wait_ready(name, "True", "Issued").await;
        assert_eq!(team.download(name).await.unwrap(), "content", "{name}");
    }
}

#[tokio::test]
async fn a_link_is_deleted_some_time_after_its_end_but_not_while_it_is_suspended() {
    /// For a lifetime and what comes after it.
    const PATIENCE: Duration = Duration::from_secs(150);
    let space = Space::new("deleting-links").await;
    let short = |changes: Value| {
        let mut spec = link(&space, changes);
        (spec["expiresIn"], spec["ttlAfterExpired"]) = (json!("1m"), json!("1s"));
        spec
    };
    space.apply("paused", short(json!({}))).await;
    let paused = space.wait_ready("paused", "True", "Issued").await;
    space.apply("paused", short(json!({"suspend": true}))).await;
    space.wait_ready("paused", "True", "Suspended").await;
    space.apply("goes", short(json!({}))).await;
    let goes = space.wait_ready("goes", "True", "Issued").await;
    assert!(expiration(&paused) <= expiration(&goes), "it is the first that could be deleted");

    let is_gone = |object: Option<&PresignedUrl>| object.is_none().then_some(());
    space.wait_for(PATIENCE, space.presigned_urls(), "goes", "its end", is_gone).await;
    let is_collected = |secret: Option<&Secret>| secret.is_none().then_some(());
    space.wait_for(COLLECTED, space.secrets(), "goes", "its end with its owner", is_collected).await;
    // A later object shows that the operator is past what it had to do when the other one ended.
    space.apply("later", space.spec(json!({}))).await;
    space.wait_ready("later", "True", "Issued").await;
    let object = space.wait_ready("paused", "False", "Suspended").await;
    assert_eq!(object.metadata.uid, paused.metadata.uid);
    assert_eq!(stalled(&object), None, "whoever suspended it can resume it");

    space.apply("paused", short(json!({}))).await;
    space.wait_for(DEADLINE, space.presigned_urls(), "paused", "its end", is_gone).await;
}
