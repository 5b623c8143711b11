//! What was rendered once and is rendered no more goes, whoever came to own it meanwhile.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::harness::{DEADLINE, Operator, Space, text};

const RESET: &str = r#"{"metadata":{"managedFields":[{}]}}"#;

fn is_labelled(secret: &Secret) -> bool {
    secret.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key("team"))
}

/// A URL in a Secret whose managedFields somebody has reset.
async fn reset(prefix: &str, spec: Value) -> Space {
    let space = Space::new(prefix).await;
    space.apply("report", space.spec(spec)).await;
    space.wait_ready("report", "True", "Issued").await;
    space.kubectl(&["patch", "secret", "report", "--type=merge", "-p", RESET]);
    space.wait_secret("report", "a repair of what was reset", is_repaired).await;
    space
}

/// Whether the operator has written to a Secret whose managedFields were lost. Until then an edit
/// could not be told from the loss.
fn is_repaired(secret: &Secret) -> bool {
    let mut entries = secret.metadata.managed_fields.iter().flatten();
    entries.any(|entry| entry.manager.as_deref() == Some("presign-operator"))
}

#[tokio::test]
async fn after_a_reset_of_managed_fields_a_retained_secret_has_no_owner() {
    let space = reset("reset-owner", json!({})).await;
    let url = space.data("report", "url").await;
    space.apply("report", space.spec(json!({"secret": {"deletionPolicy": "Retain"}}))).await;
    space.wait_secret("report", "no owner", |secret| secret.metadata.owner_references.is_none()).await;
    assert_eq!(space.data("report", "url").await, url, "nothing is minted for it");
}

#[tokio::test]
async fn after_a_reset_of_managed_fields_a_renamed_key_leaves_none_behind() {
    let space = reset("reset-key", json!({})).await;
    space.apply("report", space.spec(json!({"secret": {"urlKey": "link"}}))).await;
    let is_renamed = |secret: &Secret| {
        let data = secret.data.as_ref().unwrap();
        data.contains_key("link") && !data.contains_key("url")
    };
    space.wait_secret("report", "the URL under its new key alone", is_renamed).await;
}

#[tokio::test]
async fn after_a_reset_of_managed_fields_a_removed_label_goes() {
    let space = reset("reset-label", json!({"secret": {"labels": {"team": "a"}}})).await;
    let url = space.data("report", "url").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_secret("report", "no label", |secret| !is_labelled(secret)).await;
    assert_eq!(space.data("report", "url").await, url, "nothing is minted for it");
}

#[tokio::test]
async fn a_restored_secret_loses_what_is_rendered_no_more() {
    let mut space = Space::new("restored").await;
    space.apply("report", space.spec(json!({"secret": {"labels": {"team": "a"}}}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let mut secret = space.secrets().get("report").await.unwrap();
    // A restore: the content is as it was, and all of it is somebody else's.
    space.operator.stop();
    space.secrets().delete("report", &DeleteParams::default()).await.unwrap();
    let metadata = &mut secret.metadata;
    (metadata.uid, metadata.resource_version, metadata.managed_fields) = (None, None, None);
    metadata.creation_timestamp = None;
    let params = PostParams { field_manager: Some("restore".to_owned()), ..PostParams::default() };
    space.secrets().create(&params, &secret).await.unwrap();
    space.operator = Operator::start(space.world, &space.namespace, &[]);
    space.wait_secret("report", "a repair of what was restored", is_repaired).await;
    let retained = json!({"secret": {"urlKey": "link", "deletionPolicy": "Retain"}});
    space.apply("report", space.spec(retained)).await;
    let is_ours = |secret: &Secret| {
        let data = secret.data.as_ref().unwrap();
        secret.metadata.owner_references.is_none()
            && data.contains_key("link")
            && !data.contains_key("url")
            && !is_labelled(secret)
    };
    space.wait_secret("report", "what is rendered now and nothing of before", is_ours).await;
    space.presigned_urls().delete("report", &DeleteParams::default()).await.unwrap();
    space
        .wait_for(DEADLINE, space.presigned_urls(), "report", "its end", |object| {
            object.is_none().then_some(())
        })
        .await;
    assert!(text(&space.secrets().get("report").await.unwrap(), "link").starts_with("http"));
}
