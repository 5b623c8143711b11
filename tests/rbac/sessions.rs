//! The permissions for tokens of `ServiceAccount`s: each is needed, and the status says which is missing.

use std::sync::LazyLock;

use serde_json::json;
use testbed::{Role, SessionStore};

use super::chart::{ACCOUNT, Mode, Permission, Roles};
use super::harness::{Space, World, everything, ready, write_account};
use super::{CLUSTER, assert_is_needed};

/// The object that is signed with a session.
pub const OBJECT: &str = "with-session";
/// The role of the session.
const ROLE: &str = "reports";

/// A store with an STS that trusts the `ServiceAccount`s of that name.
static STORE: LazyLock<SessionStore> = LazyLock::new(|| {
    let role = Role::new(ROLE, everything()).service_account("*", ACCOUNT);
    SessionStore::builder().issuer(&World::get_blocking().plane).unwrap().role(role).start().unwrap()
});

/// Makes the `ServiceAccount` of a namespace, and an object that is signed with a session of it.
pub async fn ask_for_one(space: &Space) {
    let store = tokio::task::spawn_blocking(|| &*STORE).await.unwrap();
    write_account(&space.client, &space.namespace, ACCOUNT, Some("*")).await.unwrap();
    let credentials = json!({
        "webIdentity": {"serviceAccountRef": {"name": ACCOUNT}, "roleARN": store.role_arn(ROLE)},
        "session": {"sts": {"endpoint": store.endpoint()}},
    });
    let s3 = json!({"endpoint": store.endpoint(), "region": store.region(), "credentials": credentials});
    space.apply(OBJECT, json!({"bucket": "reports", "key": "q3.pdf", "s3": s3})).await;
}

/// What the status says without a permission: the reason, and parts of the message.
fn said_without(permission: &Permission) -> (&'static str, [&'static str; 2]) {
    match permission.resource.as_str() {
        "serviceaccounts" => (
            "CredentialsDenied",
            [
                "issues no token of ServiceAccount \"urls\" (it forbids the operator to read it)",
                "chart value webIdentity",
            ],
        ),
        "serviceaccounts/token" => (
            "CredentialsDenied",
            [
                "issues no token of ServiceAccount \"urls\" (it answered 403 Forbidden)",
                "chart value webIdentity",
            ],
        ),
        "tokenreviews" => (
            "CredentialsUnavailable",
            ["it forbids the operator to create tokenreviews", "chart value webIdentity"],
        ),
        other => panic!("the status says nothing about {other}"),
    }
}

#[tokio::test]
async fn every_permission_for_sessions_is_needed_and_named_where_it_is_missing() {
    let _others = CLUSTER.read().await;
    let without_sessions = Roles::render(Mode::Namespaces, "home").permissions();
    let mut permissions = Roles::render(Mode::WebIdentity, "home").permissions();
    permissions.retain(|permission| !without_sessions.contains(permission));
    assert!(permissions.len() >= 3, "{permissions:?}");
    let cases = permissions.iter().map(async |without| {
        let place = assert_is_needed(Mode::WebIdentity, without).await;
        let object = place.space.presigned_urls().get(OBJECT).await.unwrap();
        let ready = ready(&object).unwrap();
        let (reason, parts) = said_without(without);
        assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", reason), "{without:?}");
        for part in parts {
            assert!(ready.message.contains(part), "{without:?}: no {part:?}: {}", ready.message);
        }
    });
    futures::future::join_all(cases).await;
}
