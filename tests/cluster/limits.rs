//! What whoever runs the operator does not permit, and what a person reads then.

use serde_json::json;

use super::harness::{Space, condition, ready};

/// Waits until an object is refused for this, and sees that nothing was written for it.
async fn expect_not_permitted(space: &Space, name: &str, said: &[&str]) {
    let object = space.wait_ready(name, "False", "NotPermitted").await;
    assert_eq!(condition(&object, "Stalled").map(|stalled| stalled.reason.as_str()), Some("NotPermitted"));
    let message = &ready(&object).unwrap().message;
    assert!(said.iter().all(|said| message.contains(said)), "{message}");
    assert!(space.secrets().get_opt(name).await.unwrap().is_none(), "nothing is written");
}

#[tokio::test]
async fn a_label_that_makes_another_controller_act_is_put_on_no_secret() {
    let space = Space::new("denied-label").await;
    let label = json!({"secret": {"labels": {"argocd.argoproj.io/secret-type": "cluster"}}});
    space.apply("report", space.spec(label)).await;
    let said = ["spec.secret.labels", "argocd.argoproj.io/secret-type", "--deny-secret-metadata"];
    expect_not_permitted(&space, "report", &said).await;
    space.wait_event("report", "Warning NotPermitted").await;
    space.apply("report", space.spec(json!({"secret": {"labels": {"team": "a"}}}))).await;
    space.wait_ready("report", "True", "Issued").await;
}

#[tokio::test]
async fn whoever_runs_the_operator_chooses_what_is_denied() {
    let deny = ("PRESIGN_DENY_SECRET_METADATA", "team.example/*");
    let space = Space::with("denied-chosen", &[deny]).await;
    let spec = |name: &str| space.spec(json!({"secret": {"annotations": {name: "v"}}}));
    space.apply("theirs", spec("argocd.argoproj.io/secret-type")).await;
    space.wait_ready("theirs", "True", "Issued").await;
    space.apply("ours", spec("team.example/a")).await;
    expect_not_permitted(&space, "ours", &["spec.secret.annotations", "team.example/a"]).await;
}

#[tokio::test]
async fn urls_point_only_where_they_may() {
    let allow = ("PRESIGN_ALLOW_ENDPOINTS", "127.0.0.1,*.example.com");
    let space = Space::with("allowed-hosts", &[allow]).await;
    space.apply("here", space.spec(json!({"s3": {"endpoint": space.world.store.endpoint()}}))).await;
    space.wait_ready("here", "True", "Issued").await;
    let elsewhere = space.spec(json!({"s3": {"endpoint": "https://example.com.evil.org"}}));
    space.apply("elsewhere", elsewhere).await;
    let said = ["spec.s3.endpoint", "\"example.com.evil.org\"", "--allow-endpoints"];
    expect_not_permitted(&space, "elsewhere", &said).await;
    space.apply("aws", space.spec(json!({"s3": {"endpoint": null, "region": "eu-central-1"}}))).await;
    expect_not_permitted(&space, "aws", &["is not set", "\"s3.eu-central-1.amazonaws.com\""]).await;
}

#[tokio::test]
async fn a_renew_token_that_is_too_long_is_reported_and_stops_nothing() {
    let space = Space::new("long-token").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let url = space.data("report", "url").await;
    space.ask_for_renewal("report", &"r".repeat(10_000));
    let is_told = |object: &presign_operator::crd::PresignedUrl| {
        ready(object).is_some_and(|ready| ready.message.contains("presign.dev/renew is refused"))
    };
    let object = space.wait("report", "that the token is refused", is_told).await;
    assert_eq!(ready(&object).unwrap().reason, "Issued");
    assert_eq!(space.data("report", "url").await, url);
    // A URL signed within the same second would be the same URL.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    space.ask_for_renewal("report", "now");
    space.wait("report", "the message gone", |object| !is_told(object)).await;
    assert_ne!(space.data("report", "url").await, url);
}
