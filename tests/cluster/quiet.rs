//! What must cost nothing: changes that are none of our business, shared credentials, flapping causes.

use kube::api::ListParams;
use serde_json::json;

use super::harness::{Space, audit, text};

#[tokio::test]
async fn what_does_not_concern_the_url_writes_nothing() {
    let space = Space::new("quiet").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    // Events are written after the status.
    space.wait_event("report", "Normal Issued").await;
    let before = space.secrets().get("report").await.unwrap();
    let calls = audit(&space).await.len();

    space.kubectl(&["label", "psu", "report", "app=x"]);
    space.kubectl(&["annotate", "psu", "report", "note=y"]);
    space.write_secret("unrelated", &[("access-key-id", "x"), ("secret-access-key", "y")]).await;
    space.write_secret("unrelated", &[("access-key-id", "x"), ("secret-access-key", "z")]).await;
    space.kubectl(&["label", "secret", "keys", "app=x"]);
    // A later object's URL shows that the operator has seen all of that.
    space.apply("later", space.spec(json!({}))).await;
    space.wait_ready("later", "True", "Issued").await;

    let after = space.secrets().get("report").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    let new: Vec<_> = audit(&space).await.split_off(calls);
    let about_others = new.iter().filter(|call| !call.contains("later"));
    // The key's Secret changed (a label), so it is read once more; nothing else is.
    let reads: Vec<_> = about_others.filter(|call| !call.contains("watch")).collect();
    assert!(reads.iter().all(|call| *call == "get secrets/keys"), "{reads:?}");
    // The later object may need it before the label is seen.
    assert!((1..=2).contains(&reads.len()), "{reads:?}");
}

#[tokio::test]
async fn one_rotation_reaches_every_url_with_one_read() {
    let space = Space::new("rotation").await;
    let names: Vec<String> = (0..20).map(|number| format!("r{number}")).collect();
    for name in &names {
        space.apply(name, space.spec(json!({}))).await;
    }
    for name in &names {
        space.wait_ready(name, "True", "Issued").await;
    }
    let calls = audit(&space).await.len();
    let urls: Vec<String> = futures::future::join_all(names.iter().map(|name| space.data(name, "url"))).await;
    space.write_keys("rotated").await;
    for (name, url) in names.iter().zip(&urls) {
        space.wait_secret(name, "the rotated key", |secret| text(secret, "url") != *url).await;
    }
    let mut new = audit(&space).await.split_off(calls);
    new.retain(|call| !call.contains("watch") && !call.contains("events"));
    let count = |wanted: &str| new.iter().filter(|call| call.starts_with(wanted)).count();
    assert_eq!(count("get secrets/keys"), 1, "{new:?}");
    assert_eq!(count("get"), 1, "nothing else is read: {new:?}");
    assert_eq!(count("patch secrets/"), 20, "{new:?}");
}

#[tokio::test]
async fn a_routine_renewal_is_two_writes_and_no_read() {
    let space = Space::new("renewals").await;
    space.apply("report", space.spec(json!({"expiresIn": "2m", "renewBefore": "100s"}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let (calls, url) = (audit(&space).await.len(), space.data("report", "url").await);
    space.wait_secret("report", "a renewal", |secret| text(secret, "url") != url).await;
    let expires = space.data("report", "expires-at").await;
    space
        .wait("report", "its report", |object| {
            let status = object.status.as_ref().and_then(|status| status.expiration_time.as_ref());
            status.is_some_and(|time| time.0.to_string() == expires)
        })
        .await;
    let mut new = audit(&space).await.split_off(calls);
    // The event of the first issue may come late; a renewal has none, see `stories`.
    new.retain(|call| !call.starts_with("watch") && !call.starts_with("create events"));
    assert_eq!(new, ["patch secrets/report", "patch presignedurls/report/status"]);
}

#[tokio::test]
async fn a_flapping_cause_is_no_storm_of_events() {
    let space = Space::new("flapping").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let calls = audit(&space).await.len();
    for _ in 0..12 {
        space.secrets().delete("keys", &kube::api::DeleteParams::default()).await.unwrap();
        space.wait_ready("report", "True", "RenewalFailing").await;
        space.write_keys(space.world.store.secret_access_key()).await;
        space.wait_ready("report", "True", "Issued").await;
    }
    let events = audit(&space).await.split_off(calls).iter().filter(|call| call.contains("events")).count();
    assert!((2..=10).contains(&events), "{events} calls for 24 transitions");
    let list = space.presigned_urls().list(&ListParams::default()).await.unwrap();
    assert_eq!(list.items.len(), 1);
}
