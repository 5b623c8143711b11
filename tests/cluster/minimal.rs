//! Without list and watch on Secrets: what is looked at, when, and how often.

use std::time::Duration;

use futures::future::join_all;
use kube::api::DeleteParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use presign_operator::controller::SecretAccess;
use presign_operator::runtime::{ApiCalls, ClientSettings, Leadership, Overload, Skew, client};
use prometheus_client::registry::Registry;
use serde_json::json;

use super::clocks::Inside;
use super::harness::{DEADLINE, Space, audit, text};

/// A client as the operator has it, so that its calls are known in the audit log.
async fn operators_client(space: &Space) -> Client {
    let kubeconfig = Kubeconfig::read_from(space.world.plane.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let calls = ApiCalls::register(&mut Registry::default());
    let (deadline, leadership) = (Duration::from_secs(15), Leadership::unopposed());
    let (overload, skew) = (Overload::default(), Skew::default());
    client(
        config,
        calls,
        ClientSettings { identity: "inside".to_owned(), deadline, leadership, overload, skew },
    )
    .unwrap()
}

/// A space whose own operator, too, never lists: what it did before it is killed is logged
/// at any time after.
async fn space(story: &str) -> Space {
    Space::with(story, &[("PRESIGN_SECRET_ACCESS", "get")]).await
}

async fn start(space: &Space) -> Inside {
    space.operator.kill();
    Inside::with(space, operators_client(space).await, SecretAccess::Get)
}

/// Lets the time pass that timers wait for, and none else.
async fn five_minutes_pass() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(301)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_rotated_key_is_noticed_by_one_read_for_all_its_urls() {
    let space = space("looks").await;
    let inside = start(&space).await;
    let names: Vec<String> = (0..10).map(|number| format!("r{number}")).collect();
    for name in &names {
        space.apply(name, space.spec(json!({}))).await;
    }
    for name in &names {
        space.wait_ready(name, "True", "Issued").await;
    }
    let urls = join_all(names.iter().map(|name| space.data(name, "url"))).await;
    space.write_keys("rotated").await;
    let calls = audit(&space).await.len();
    five_minutes_pass().await;
    for (name, url) in names.iter().zip(&urls) {
        space.wait_secret(name, "the rotated key", |secret| text(secret, "url") != *url).await;
    }
    let new = audit(&space).await.split_off(calls);
    let reads: Vec<_> = new.iter().filter(|call| call.starts_with("get ")).collect();
    // One look at its metadata for all of them, and then the key itself, at most once a URL.
    assert!((2..=1 + names.len()).contains(&reads.len()), "{reads:?}");
    assert!(reads.iter().all(|call| *call == "get secrets/keys"), "{reads:?}");
    let all = audit(&space).await;
    assert!(!all.iter().any(|call| call.starts_with("list secrets") || call.starts_with("watch secrets")));
    inside.stop().await;
}

#[tokio::test]
async fn a_key_is_read_before_each_new_url() {
    let space = space("fresh").await;
    let inside = start(&space).await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    space.write_keys("rotated").await;
    space.ask_for_renewal("report", "one");
    space
        .wait("report", "an answer", |object| {
            object.status.as_ref().is_some_and(|status| status.last_handled_renew.is_some())
        })
        .await;
    assert!(space.download("report").await.unwrap_err().contains("403"), "it is signed by the new key");
    inside.stop().await;
}

#[tokio::test]
async fn a_foreign_secret_that_went_is_noticed_after_five_minutes() {
    let space = space("freed").await;
    let inside = start(&space).await;
    space.write_secret("report", &[("theirs", "1")]).await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "False", "SecretConflict").await;
    space.secrets().delete("report", &DeleteParams::default()).await.unwrap();
    five_minutes_pass().await;
    space.wait_ready("report", "True", "Issued").await;
    assert_eq!(space.download("report").await.unwrap(), "content");
    inside.stop().await;
}

#[tokio::test]
async fn the_renewal_finds_what_somebody_did_and_an_earlier_name_stays() {
    let space = space("drift").await;
    let inside = start(&space).await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    space.secrets().delete("report", &DeleteParams::default()).await.unwrap();
    space.ask_for_renewal("report", "one");
    space.wait_secret("report", "a new URL", |_| true).await;

    space.apply("report", space.spec(json!({"secret": {"name": "renamed"}}))).await;
    space.wait_ready("report", "True", "Issued").await;
    assert_eq!(space.download("renamed").await.unwrap(), "content");
    assert!(space.secrets().get_opt("report").await.unwrap().is_some(), "nothing is deleted");
    space.presigned_urls().delete("report", &DeleteParams::default()).await.unwrap();
    let gone = |secret: Option<&k8s_openapi::api::core::v1::Secret>| secret.is_none().then_some(());
    space.wait_for(DEADLINE, space.secrets(), "report", "its end with its owner", gone).await;

    // Created again at once, it waits for the end of its predecessor's Secret, and not long.
    space.apply("report", space.spec(json!({"secret": {"name": "renamed"}}))).await;
    space.wait_ready("report", "True", "Issued").await;
    inside.stop().await;
}
