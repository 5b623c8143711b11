//! The API server gets another key to sign the tokens of `ServiceAccount`s with.

use std::fs;

use rcgen::KeyPair;
use serde_json::json;
use testbed::{Role, SessionStore};

use crate::harness::{PERMITTED_STS, Space, World, everything};
use crate::session_space::{SessionSpace, with};
use crate::stores::{ACCOUNT, ROLE};

/// Lets the API server sign with a new key from now on, and verify with the old one too, as in a rotation.
fn rotate(world: &World) {
    let plane = &world.plane;
    let [private, public] =
        ["service-account.key", "service-account.pub"].map(|name| plane.folder().join(name));
    let key = KeyPair::generate().unwrap();
    let before = fs::read_to_string(&public).unwrap();
    fs::write(&private, key.serialize_pem()).unwrap();
    fs::write(&public, format!("{}{before}", key.public_key_pem())).unwrap();
    plane.restart_apiserver().unwrap();
    plane.restart_controller_manager().unwrap();
}

/// The first part of a token, which names its key.
fn head(token: Option<&str>) -> &str {
    token.and_then(|token| token.split('.').next()).unwrap()
}

#[tokio::test]
async fn a_new_key_of_the_issuer_needs_no_restart_of_the_operator() {
    // No other story has its API server restarted.
    let world = World::solitary().await;
    let store = tokio::task::spawn_blocking(|| {
        let role = Role::new(ROLE, everything()).service_account("*", ACCOUNT);
        SessionStore::builder().issuer(&world.plane).unwrap().role(role).start().unwrap()
    });
    let store: &'static SessionStore = Box::leak(Box::new(store.await.unwrap()));
    let space = Space::in_world(world, "issuer", &[PERMITTED_STS]).await;
    let place = SessionSpace::of(space, store).await;
    let credentials = place.web_identity(ROLE);
    place.issue("before", &credentials, json!({})).await;

    tokio::task::spawn_blocking(|| rotate(world)).await.unwrap();
    let narrowed = with(credentials, json!({"session": {"narrowTo": "Object"}}));
    place.space.apply("after", place.spec(&narrowed, json!({}))).await;
    place.wait_again("after", "True", "Issued").await;
    for name in ["before", "after"] {
        assert_eq!(place.space.download(name).await.unwrap(), "content", "{name}");
    }
    let sessions = place.sessions();
    let [(before, _), (after, _)] = &sessions[..] else { panic!("two sessions") };
    assert_ne!(head(before.token.as_deref()), head(after.token.as_deref()), "signed with another key");
}
