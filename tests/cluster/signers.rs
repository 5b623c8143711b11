//! Signers: what a platform team lends to an application team, and what becomes of the URLs when it
//! changes its mind. One file a subject.

mod audit;
mod cost;
mod keep;
mod lost;
mod minimal;
mod once;
mod rights;
mod statuses;
mod uploads;
mod withdraw;

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use presign_operator::crd::{LimitedBy, PresignedUrl, Signer};
use serde_json::{Value, json};

use super::harness::{SECOND_KEY, Space, condition, curl, merge, ready, text};
use super::tenancy::{KEY, Tenancy, permitted};

/// Longer than the shortest lifetime of a URL.
const A_LIFETIME: Duration = Duration::from_secs(90);
/// Longer than a status of a signer may wait for the one before it, and some time for a slow machine.
const BETWEEN_STATUSES: Duration = Duration::from_secs(90);

/// The message of the Ready condition.
fn message(object: &PresignedUrl) -> &str {
    &ready(object).unwrap().message
}

/// The reason of the Stalled condition, if there is one.
fn stalled(object: &PresignedUrl) -> Option<&str> {
    condition(object, "Stalled").map(|stalled| stalled.reason.as_str())
}

/// The UID of a Secret, which one that was deleted and created again does not share.
fn uid(secret: &Secret) -> &str {
    secret.metadata.uid.as_deref().unwrap()
}

/// The version of a Secret, which every write changes.
fn version(secret: &Secret) -> &str {
    secret.metadata.resource_version.as_deref().unwrap()
}

/// Applies a `Signer` of the namespace with the key of the Secret `keys`, and `changes` on top.
async fn apply_signer_of_namespace(space: &Space, name: &str, changes: Value) {
    let store = &space.world.store;
    let mut spec = json!({"s3": {
        "endpoint": store.endpoint(), "region": store.region(),
        "credentials": {"secretRef": {"name": "keys"}},
    }});
    merge(&mut spec, changes);
    let body = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "Signer", "metadata": {"name": name}, "spec": spec,
    });
    let params = PatchParams::apply("platform").force();
    signers_of_namespace(space).patch(name, &params, &Patch::Apply(body)).await.unwrap();
}

fn signers_of_namespace(space: &Space) -> Api<Signer> {
    Api::namespaced(space.client.clone(), &space.namespace)
}

#[tokio::test]
async fn a_team_gets_urls_of_a_key_that_it_never_has() {
    let tenancy = Tenancy::new("shared").await;
    let team = &tenancy.team;
    tenancy.apply_signer(tenancy.policy(json!({"maxExpiresIn": "30m"}), json!({}))).await;
    let object = tenancy.issue("report", json!({})).await;
    assert_eq!(team.download("report").await.unwrap(), "content");

    let (status, reason, why) = permitted(&object).unwrap();
    assert_eq!((status, reason), ("True", "Allowed"));
    assert!(why.contains("\"downloads\"") && why.contains(tenancy.name()), "{why}");
    let status = object.status.as_ref().unwrap();
    assert_eq!(status.limited_by, Some(LimitedBy::Signer));
    let signed = status.signing_time.as_ref().unwrap().0;
    let lifetime = status.expiration_time.as_ref().unwrap().0.duration_since(signed);
    assert_eq!(lifetime.as_secs(), 1800, "the hour of the spec is cut");

    let here = team.secrets().list(&ListParams::default()).await.unwrap().items;
    let here: Vec<_> = here.iter().map(|secret| secret.metadata.name.as_deref().unwrap()).collect();
    assert_eq!(here, ["report"], "the key stays in the signer namespace");
    tenancy.platform_secrets().get(KEY).await.unwrap();

    // The operator watches the signer namespace too, though it looks after another one.
    tenancy.write_key(SECOND_KEY).await;
    let is_rotated = |secret: &Secret| text(secret, "url").contains(SECOND_KEY.0);
    team.wait_secret("report", "a URL of the rotated key", is_rotated).await;
    assert_eq!(team.download("report").await.unwrap(), "content");
    team.wait_ready("report", "True", "Issued").await;
}

#[tokio::test]
async fn a_reference_without_a_kind_means_a_signer_of_the_namespace_which_needs_no_policy() {
    let tenancy = Tenancy::new("own-signer").await;
    let (team, name) = (&tenancy.team, tenancy.name());
    // One of the same name that would do, if it were meant.
    tenancy.apply_signer(json!({})).await;
    tenancy.issue("by-cluster", json!({})).await;
    team.apply("without-kind", tenancy.spec(json!({"signerRef": {"kind": null}}))).await;
    let object = team.wait_ready("without-kind", "False", "SignerNotFound").await;
    assert!(message(&object).contains("does not exist in this namespace"), "{}", message(&object));
    assert_eq!(stalled(&object), None, "it waits");

    team.write_keys(team.world.store.secret_access_key()).await;
    apply_signer_of_namespace(team, name, json!({})).await;
    let object = team.wait_ready("without-kind", "True", "Issued").await;
    let (status, reason, why) = permitted(&object).unwrap();
    assert_eq!((status, reason), ("True", "Allowed"));
    assert!(why.contains("no policy"), "{why}");
    assert_eq!(team.download("without-kind").await.unwrap(), "content");

    // Without a policy, an upload is permitted too, and wherever.
    let upload = json!({"signerRef": {"kind": "Signer"}, "method": "PUT", "key": "anywhere/new.txt"});
    tenancy.issue("upload", upload).await;
    let body = team.operator.folder().join("body");
    std::fs::write(&body, "uploaded").unwrap();
    curl(&["-T", body.to_str().unwrap(), &team.data("upload", "url").await]).unwrap();
    assert_eq!(team.world.store.get_object(name, "anywhere/new.txt").unwrap(), b"uploaded");

    let counts_both = |signer: Option<&Signer>| {
        let status = signer?.status.as_ref()?;
        let is_ready = status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
        (is_ready && (status.allowed, status.denied) == (Some(2), Some(0))).then_some(())
    };
    let signers = signers_of_namespace(team);
    team.wait_for(BETWEEN_STATUSES, signers, name, "a status that counts both", counts_both).await;
}
