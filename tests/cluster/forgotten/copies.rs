//! Copies that a person makes of our Secret, with all that is in it. They are the person's.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use serde_json::json;
use testbed::{Proxy, WatchEvent};

use super::{delivered, version};
use crate::harness::{Space, text};

/// Copies the Secret `report` to `copy`, with some `changes`, once there is a URL in it.
async fn copy(prefix: &str, change: impl FnOnce(&mut Secret)) -> (Space, Proxy, String) {
    let (space, proxy) = Space::behind_proxy(prefix).await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let mut secret = space.secrets().get("report").await.unwrap();
    let metadata = &mut secret.metadata;
    metadata.name = Some("copy".to_owned());
    (metadata.uid, metadata.resource_version, metadata.managed_fields) = (None, None, None);
    metadata.creation_timestamp = None;
    change(&mut secret);
    let params = PostParams { field_manager: Some("person".to_owned()), ..PostParams::default() };
    let creating = async { space.secrets().create(&params, &secret).await.unwrap() };
    let made = delivered(&proxy, WatchEvent::new("secrets", "ADDED", "copy"), creating).await;
    (space, proxy, made.metadata.resource_version.unwrap())
}

/// Has the object reconciled twice more, each time with all that it prunes.
async fn reconcile(space: &Space) {
    for label in ["a", "b"] {
        space.apply("report", space.spec(json!({"secret": {"labels": {"round": label}}}))).await;
        space.wait_ready("report", "True", "Issued").await;
    }
}

#[tokio::test]
async fn a_copy_is_not_edited() {
    let (space, _proxy, before) = copy("copy-edited", |secret| secret.metadata.owner_references = None).await;
    reconcile(&space).await;
    assert_eq!(version(&space, "copy").await, before);
}

#[tokio::test]
async fn a_copy_is_not_deleted_when_its_url_has_expired() {
    // Signed long ago, so that nobody has to wait for it.
    let expired = |secret: &mut Secret| {
        let url = text(secret, "url");
        let (before, after) = url.split_once("X-Amz-Date=").unwrap();
        let url = format!("{before}X-Amz-Date=20200102T030405Z{}", &after["20200102T030405Z".len()..]);
        secret.data.as_mut().unwrap().insert("url".to_owned(), ByteString(url.into_bytes()));
    };
    let (space, _proxy, before) = copy("copy-deleted", expired).await;
    reconcile(&space).await;
    let copy = space.secrets().get_opt("copy").await.unwrap().expect("the copy is still there");
    assert_eq!(copy.metadata.resource_version.unwrap(), before);
}
