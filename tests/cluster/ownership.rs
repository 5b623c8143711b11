//! Whose Secret it is: each way to be foreign, and how a conflict ends.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::harness::{DEADLINE, Space, condition, operators_log, ready, text};

/// Longer than the shortest lifetime of a URL.
const A_LIFETIME: std::time::Duration = std::time::Duration::from_secs(90);

#[tokio::test]
async fn a_secret_of_somebody_else_is_left_alone() {
    let space = Space::new("foreign").await;
    space.write_secret("report", &[("url", "mine")]).await;
    let before = space.secrets().get("report").await.unwrap();
    space.apply("report", space.spec(json!({}))).await;
    let object = space.wait_ready("report", "False", "SecretConflict").await;
    assert_eq!(condition(&object, "Stalled").unwrap().reason, "SecretConflict");
    let message = &ready(&object).unwrap().message;
    assert!(
        message.contains("\"report\"") && message.contains("choose another spec.secret.name"),
        "{message}"
    );
    let after = space.secrets().get("report").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    space.wait_event("report", "Warning SecretConflict").await;
    assert_eq!(space.events("report").await, ["Warning SecretConflict"]);

    // It recovers by itself once the name is free.
    space.secrets().delete("report", &DeleteParams::default()).await.unwrap();
    let object = space.wait_ready("report", "True", "Issued").await;
    assert!(condition(&object, "Stalled").is_none());
    assert_eq!(space.download("report").await.unwrap(), "content");
}

#[tokio::test]
async fn a_secret_of_a_type_that_no_watch_shows_is_left_alone_too() {
    let space = Space::new("unwatched").await;
    let release = ["--type=helm.sh/release.v1", "--from-literal=release=theirs"];
    space.kubectl(&[&["create", "secret", "generic", "report"], &release[..]].concat());
    let before = space.secrets().get("report").await.unwrap();
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "False", "SecretConflict").await;
    let after = space.secrets().get("report").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);

    // Nobody tells when it goes; the next look sees it.
    space.secrets().delete("report", &DeleteParams::default()).await.unwrap();
    space.ask_for_renewal("report", "1");
    space.wait_ready("report", "True", "Issued").await;
}

#[tokio::test]
async fn the_credentials_are_never_overwritten() {
    let space = Space::new("credentials").await;
    space.apply("report", space.spec(json!({"secret": {"name": "keys"}}))).await;
    let object = space.wait_ready("report", "False", "SecretConflict").await;
    assert!(ready(&object).unwrap().message.contains("holds the credentials"));
    assert_eq!(space.data("keys", "secret-access-key").await, space.world.store.secret_access_key());
}

#[tokio::test]
async fn marks_of_ours_without_a_proof_are_no_proof() {
    let space = Space::new("marks").await;
    // Our label and another owner's name; our label and no owner; another controller, which exists,
    // or the Secret would be collected.
    let annotation = |owner: &str| json!({"presign.dev/owner": owner});
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "controller"}});
    let owner = Api::<ConfigMap>::namespaced(space.client.clone(), &space.namespace)
        .create(&PostParams::default(), &serde_json::from_value(owner).unwrap())
        .await
        .unwrap();
    let controller = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "controller", "uid": owner.metadata.uid, "controller": true,
    }]);
    for (name, metadata) in [
        ("other", json!({"labels": {"presign.dev/managed": "true"}, "annotations": annotation("somebody")})),
        ("nobody", json!({"labels": {"presign.dev/managed": "true"}})),
        ("unlabelled", json!({"annotations": annotation("unlabelled")})),
        (
            "controlled",
            json!({
                "labels": {"presign.dev/managed": "true"}, "annotations": annotation("controlled"),
                "ownerReferences": controller,
            }),
        ),
    ] {
        let mut metadata = metadata;
        metadata["name"] = json!(name);
        foreign(&space, name, metadata).await;
        space.apply(name, space.spec(json!({}))).await;
        space.wait_ready(name, "False", "SecretConflict").await;
        assert_eq!(space.data(name, "theirs").await, "1");
    }
}

async fn foreign(space: &Space, name: &str, metadata: Value) {
    let body =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"theirs": "1"}});
    space.secrets().patch(name, &PatchParams::apply("person"), &Patch::Apply(body)).await.unwrap();
}

#[tokio::test]
async fn of_two_that_name_one_secret_the_owner_keeps_it_and_the_other_recovers() {
    let space = Space::new("two").await;
    let shared = json!({"secret": {"name": "shared"}});
    space.apply("first", space.spec(shared.clone())).await;
    space.wait_ready("first", "True", "Issued").await;
    space.apply("second", space.spec(shared)).await;
    let second = space.wait_ready("second", "False", "SecretConflict").await;
    assert!(ready(&second).unwrap().message.contains("belongs to PresignedUrl \"first\""));
    space.presigned_urls().delete("first", &DeleteParams::default()).await.unwrap();
    space.wait_ready("second", "True", "Issued").await;
    let secret = space.secrets().get("shared").await.unwrap();
    assert_eq!(secret.metadata.annotations.unwrap()["presign.dev/owner"], "second");
}

#[tokio::test]
async fn a_namesake_waits_until_its_predecessors_secret_is_collected() {
    let space = Space::new("namesake").await;
    let before = space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    space.presigned_urls().delete("report", &DeleteParams::default()).await.unwrap();
    let after = space.apply("report", space.spec(json!({}))).await;
    assert_ne!(before.metadata.uid, after.metadata.uid);
    space.wait_ready("report", "True", "Issued").await;
    let secret = space.secrets().get("report").await.unwrap();
    assert_eq!(Some(&secret.metadata.owner_references.unwrap()[0].uid), after.metadata.uid.as_ref());
}

#[tokio::test]
async fn an_immutable_secret_is_a_conflict_that_says_what_to_do() {
    let space = Space::new("immutable").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let url = space.data("report", "url").await;
    space.kubectl(&["patch", "secret", "report", "--type=merge", "-p", r#"{"immutable":true}"#]);
    let object = space.wait_ready("report", "False", "SecretConflict").await;
    assert!(ready(&object).unwrap().message.contains("immutable"));
    assert_eq!(space.data("report", "url").await, url);
    space.secrets().delete("report", &DeleteParams::default()).await.unwrap();
    space.wait_ready("report", "True", "Issued").await;
}

#[tokio::test]
async fn what_others_add_stays_through_a_renewal() {
    let space = Space::new("additions").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let url = space.data("report", "url").await;
    let patch = r#"{"metadata":{"annotations":{"theirs":"1"}},"data":{"theirs":"MQ=="}}"#;
    space.kubectl(&["patch", "secret", "report", "--type=merge", "-p", patch]);
    space.apply("report", space.spec(json!({"expiresIn": "2h"}))).await;
    let secret = space.wait_secret("report", "a new URL", |secret| text(secret, "url") != url).await;
    assert_eq!(text(&secret, "theirs"), "1");
    assert_eq!(secret.metadata.annotations.unwrap()["theirs"], "1");
}

#[tokio::test]
async fn a_renamed_target_keeps_the_old_secret_until_its_url_expires() {
    let space = Space::new("rename").await;
    let named = |name: &str| space.spec(json!({"expiresIn": "1m", "secret": {"name": name}}));
    space.apply("report", named("old")).await;
    space.wait_ready("report", "True", "Issued").await;
    let old = space.data("old", "url").await;
    space.apply("report", named("new")).await;
    space.wait_ready("report", "True", "Issued").await;
    assert_eq!(space.download("new").await.unwrap(), "content");
    assert_eq!(space.data("old", "url").await, old, "pods that mount it can move");
    let expires: jiff::Timestamp = space.data("old", "expires-at").await.parse().unwrap();
    space
        .wait_for(A_LIFETIME, space.secrets(), "old", "its end", |secret| secret.is_none().then_some(()))
        .await;
    assert!(presign_operator::runtime::Clock::system().now() >= expires, "deleted before its URL expired");
    assert_eq!(space.download("new").await.unwrap(), "content");
}

#[tokio::test]
async fn a_renamed_target_leaves_a_retained_secret_to_itself() {
    let space = Space::new("retain").await;
    let named = |name: &str| space.spec(json!({"secret": {"name": name, "deletionPolicy": "Retain"}}));
    space.apply("report", named("old")).await;
    space.wait_ready("report", "True", "Issued").await;
    let old = space.data("old", "url").await;
    space.apply("report", named("new")).await;
    let secret = space
        .wait_secret("old", "no owner", |secret| {
            !secret.metadata.annotations.as_ref().unwrap().contains_key("presign.dev/owner")
        })
        .await;
    assert_eq!(text(&secret, "url"), old);
    space.wait_ready("report", "True", "Issued").await;
}

#[tokio::test]
async fn the_deletion_policy_can_be_switched_both_ways() {
    let space = Space::new("policy").await;
    let policy = |policy: &str| space.spec(json!({"secret": {"deletionPolicy": policy}}));
    space.apply("report", policy("Delete")).await;
    space.wait_ready("report", "True", "Issued").await;
    let url = space.data("report", "url").await;
    space.apply("report", policy("Retain")).await;
    space.wait_secret("report", "no owner", |secret| secret.metadata.owner_references.is_none()).await;
    space.apply("report", policy("Delete")).await;
    let secret =
        space.wait_secret("report", "an owner", |secret| secret.metadata.owner_references.is_some()).await;
    assert_eq!(text(&secret, "url"), url, "nothing is minted for it");
}

#[tokio::test]
async fn an_orphaned_secret_is_found_again() {
    let space = Space::new("orphan").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let url = space.data("report", "url").await;
    space.kubectl(&["delete", "psu", "report", "--cascade=orphan"]);
    space.wait_secret("report", "no owner", |secret| secret.metadata.owner_references.is_none()).await;
    space.apply("report", space.spec(json!({}))).await;
    let secret =
        space.wait_secret("report", "an owner", |secret| secret.metadata.owner_references.is_some()).await;
    assert_eq!(text(&secret, "url"), url);
}

#[tokio::test]
async fn a_namespace_that_goes_takes_everything_and_nothing_is_written() {
    let space = Space::new("leaving").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let namespaces = kube::Api::<k8s_openapi::api::core::v1::Namespace>::all(space.client.clone());
    namespaces.delete(&space.namespace, &DeleteParams::default()).await.unwrap();
    space
        .wait_for(A_LIFETIME, namespaces, &space.namespace, "its end", |namespace| {
            namespace.is_none().then_some(())
        })
        .await;
    // The operator hears of the last deletion a moment later than we do.
    space.operator.wait_metrics(DEADLINE, "no object is counted", knows_no_object).await;
    let is_write = |call: &&Value| {
        let is_verb = ["create", "update", "patch"].iter().any(|verb| call["verb"] == *verb);
        is_verb && call["objectRef"]["resource"] == "secrets"
    };
    let log = operators_log(&space).await;
    let writes = log.iter().filter(is_write).map(|call| call["responseStatus"]["code"].as_u64().unwrap());
    let (accepted, refused): (Vec<u64>, Vec<u64>) = writes.partition(|code| *code < 300);
    assert_eq!(accepted.len(), 1, "the first URL and no other");
    // The API server refuses what is created in a namespace that goes; nobody knocks again and again.
    assert!(refused.len() <= 20, "{refused:?}");
}

/// Whether a page of metrics counts no object at all.
fn knows_no_object(page: &str) -> bool {
    let counts: Vec<_> = page.lines().filter(|line| line.starts_with("presign_objects{")).collect();
    counts.len() == 3 && counts.iter().all(|line| line.ends_with(" 0"))
}
