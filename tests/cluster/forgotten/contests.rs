//! Work that is undone, or that undoes itself, as soon as it is done. It backs off by what
//! happened: whatever the Secret is called, and whichever event brought it.

use std::time::Duration;

use futures::StreamExt as _;
use jiff::SignedDuration;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::json;

use super::times_of_writes;
use crate::harness::{DEADLINE, Space, condition, curl, ready, text};

const CONTEST: Duration = Duration::from_secs(8);

/// How many writes a contest may cost in its first eight seconds: at once, after 2 s, and after 4 s more.
const AT_MOST: usize = 3;

/// The longest that a write may be put off after such a contest.
const PUT_OFF: Duration = Duration::from_secs(150);

/// How many writes of a Secret there are while somebody goes on, in the 8 s after the first of them. The times are those
/// of the API server: a slow machine sees fewer.
async fn writes_during(space: &Space, secret: &str, contest: impl Future<Output = ()>) -> usize {
    let before = times_of_writes(space, secret).await.len();
    let since = async || times_of_writes(space, secret).await.split_off(before);
    let first = async {
        let first = testbed::answered(DEADLINE, async || since().await.into_iter().next()).await;
        tokio::time::sleep(CONTEST).await;
        first.expect("a write in the contest")
    };
    let first = tokio::select! {
        first = first => first,
        () = contest => panic!("the contest is over"),
    };
    let end = first + SignedDuration::try_from(CONTEST).unwrap();
    since().await.into_iter().filter(|time| *time < end).count()
}

/// Deletes a Secret as soon as it is there, again and again.
async fn delete_again_and_again(space: &Space, secret: &str) {
    loop {
        space.wait_secret(secret, "the Secret", |_| true).await;
        let _ = space.secrets().delete(secret, &DeleteParams::default()).await;
    }
}

#[tokio::test]
async fn a_target_that_is_deleted_in_a_loop_is_written_less_and_less() {
    let space = Space::new("deleting").await;
    space.apply("namesake", space.spec(json!({}))).await;
    space.apply("named", space.spec(json!({"secret": {"name": "target"}}))).await;
    for name in ["namesake", "named"] {
        space.wait_ready(name, "True", "Issued").await;
    }
    let contest =
        |secret: &'static str| writes_during(&space, secret, delete_again_and_again(&space, secret));
    let (namesake, named) = futures::join!(contest("namesake"), contest("target"));
    let is_damped = |writes| (1..=AT_MOST).contains(&writes);
    assert!(
        is_damped(namesake) && is_damped(named),
        "{namesake} writes of a Secret called as its object, {named} of another"
    );
}

#[tokio::test]
async fn credentials_that_alternate_mint_less_and_less() {
    let space = Space::new("alternating").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let alternate = async {
        for key in ["one", "other"].into_iter().cycle() {
            let before = space.data("report", "url").await;
            space.write_keys(key).await;
            space.wait_secret("report", "the key", |secret| text(secret, "url") != before).await;
        }
    };
    let writes = writes_during(&space, "report", alternate).await;
    assert!((1..=AT_MOST).contains(&writes), "{writes} URLs");
    // It is put off, not dropped: the right key arrives in the end.
    space.write_keys(space.world.store.secret_access_key()).await;
    space
        .wait_for(PUT_OFF, space.secrets(), "report", "the right key", |secret| {
            curl(&[&text(secret?, "url")]).ok()
        })
        .await;
}

#[tokio::test]
async fn an_object_does_not_feed_on_its_own_output() {
    let space = Space::new("feeding").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let url = space.data("report", "url").await;
    let own = json!({"name": "report", "keys": {"accessKeyID": "method", "secretAccessKey": "url"}});
    space.apply("report", space.spec(json!({"s3": {"credentials": {"secretRef": own}}}))).await;
    let object = space.wait_ready("report", "True", "RenewalFailing").await;
    let message = &ready(&object).unwrap().message;
    assert!(message.contains("presign.dev/managed"), "{message}");
    assert_eq!(space.data("report", "url").await, url);
}

#[tokio::test]
async fn a_contested_secret_that_is_written_again_by_itself_is_not_stalled() {
    let space = Space::new("stalled").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let contest = async {
        for _ in 0..4 {
            let secret = space.wait_secret("report", "the Secret", |_| true).await;
            let _ = space.secrets().delete("report", &DeleteParams::default()).await;
            let again =
                |after: &k8s_openapi::api::core::v1::Secret| after.metadata.uid != secret.metadata.uid;
            space.wait_secret("report", "the Secret again, by itself", again).await;
        }
    };
    let stalled = async {
        let mut objects = std::pin::pin!(
            watcher(space.presigned_urls(), watcher::Config::default()).default_backoff().applied_objects()
        );
        while let Some(object) = objects.next().await {
            if let Some(stalled) = object.ok().and_then(|object| condition(&object, "Stalled").cloned()) {
                return stalled;
            }
        }
        unreachable!("watches do not end")
    };
    tokio::select! {
        () = contest => {}
        stalled = stalled => panic!("it says that a person has to act: {stalled:?}"),
    }
}

#[tokio::test]
async fn a_second_writer_that_undoes_our_work_meets_backoff() {
    let space = Space::new("contest").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let undo = async {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"presign.dev/managed": "no"}}}));
        loop {
            space
                .wait_secret("report", "the label", |secret| {
                    secret.metadata.labels.as_ref().unwrap()["presign.dev/managed"] == "true"
                })
                .await;
            space.secrets().patch("report", &PatchParams::default(), &patch).await.unwrap();
        }
    };
    let repairs = writes_during(&space, "report", undo).await;
    assert!(repairs <= AT_MOST, "{repairs} repairs");
    assert_eq!(ready(&space.presigned_urls().get("report").await.unwrap()).unwrap().status, "True");
}
