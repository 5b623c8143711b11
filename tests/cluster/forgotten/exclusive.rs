//! A Secret that somebody else creates in the same moment: it is never touched, not for an
//! instant, and never adopted.

use kube::api::{Patch, PatchParams};
use presign_operator::crd::PresignedUrl;
use serde_json::json;

use super::{secret_writes, version};
use crate::harness::{DEADLINE, Space, ready, text};

/// How somebody else makes a Secret.
#[derive(Clone, Copy, Debug)]
enum Foreign {
    /// As `kubectl create` does.
    Created,
    /// The same with a type that no apply of ours could change.
    CreatedWithType,
    /// As a server-side apply without `type` does, into which another apply would merge.
    Applied,
}

async fn create_foreign(space: &Space, how: Foreign) {
    let create = ["create", "secret", "generic", "report", "--from-literal=theirs=1"];
    match how {
        Foreign::Created => drop(space.kubectl(&create)),
        Foreign::CreatedWithType => {
            space.kubectl(&[&create[..], &["--type=example.com/other"]].concat());
        }
        Foreign::Applied => {
            let body = json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "report"},
                "stringData": {"theirs": "1"},
            });
            let params = PatchParams::apply("somebody");
            space.secrets().patch("report", &params, &Patch::Apply(body)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_secret_that_appears_in_the_moment_of_the_create_is_never_touched() {
    for how in [Foreign::Created, Foreign::CreatedWithType, Foreign::Applied] {
        let (space, proxy) = Space::behind_proxy("exclusive").await;
        let hold = proxy.hold(secret_writes("report"));
        space.apply("report", space.spec(json!({"secret": {"annotations": {"note": "replicate"}}}))).await;
        assert!(hold.reached(DEADLINE).await);
        create_foreign(&space, how).await;
        let before = version(&space, "report").await;
        hold.release();
        let object = space.wait_ready("report", "False", "SecretConflict").await;
        let message = &ready(&object).unwrap().message;
        assert!(message.contains("choose another spec.secret.name"), "{how:?}: {message}");
        assert_eq!(version(&space, "report").await, before, "no write of ours went through: {how:?}");
    }
}

#[tokio::test]
async fn a_foreign_secret_is_not_adopted_by_a_start_after_a_kill() {
    for how in [Foreign::Applied, Foreign::Created] {
        let (space, proxy) = Space::behind_proxy("adopted").await;
        let create = proxy.hold(secret_writes("report"));
        space.apply("report", space.spec(json!({}))).await;
        assert!(create.reached(DEADLINE).await);
        create_foreign(&space, how).await;
        let before = version(&space, "report").await;
        // Whatever it would write next, it is killed before that; or once it has nothing to write.
        let next = proxy.hold(secret_writes("report"));
        create.release();
        tokio::select! {
            is_reached = next.reached(DEADLINE) => assert!(is_reached),
            _ = space.wait_ready("report", "False", "SecretConflict") => {}
        }
        space.operator.kill();
        let _again = space.another_operator();
        super::issue_another(&space, "another").await;
        // Its verdict on an edit is no verdict of the operator before it.
        let edited = space.apply("report", space.spec(json!({"key": "other"}))).await;
        let is_judged = |object: &PresignedUrl| {
            object.status.as_ref().and_then(|status| status.observed_generation) == edited.metadata.generation
                && ready(object).is_some_and(|ready| ready.reason == "SecretConflict")
        };
        space.wait("report", "a verdict on the edit", is_judged).await;
        let secret = space.secrets().get("report").await.unwrap();
        assert_eq!(text(&secret, "theirs"), "1");
        assert!(!secret.data.as_ref().unwrap().contains_key("url"), "it was adopted: {how:?}");
        assert_eq!(version(&space, "report").await, before, "it was touched: {how:?}");
    }
}
