//! Killed between any two steps, asleep at the wrong moment, overtaken by somebody else: the
//! end state is the same.

use kube::api::DeleteParams;
use serde_json::json;
use testbed::Match;

use super::harness::{COLLECTED, DEADLINE, Space, operators_log, text};

fn secret_writes(name: &str) -> Match {
    Match::write("secrets", name)
}

fn status_writes(name: &str) -> Match {
    Match::new("PATCH", format!("/presignedurls/{name}/status"))
}

#[tokio::test]
async fn killed_between_any_two_steps_the_end_is_the_same() {
    for (step, is_written, is_after) in
        [("secret", false, false), ("secret", true, true), ("status", true, false), ("status", true, true)]
    {
        let (space, proxy) = Space::behind_proxy("crash").await;
        let matching = if step == "secret" { secret_writes("report") } else { status_writes("report") };
        let hold = if is_after { proxy.hold_answer(matching) } else { proxy.hold(matching) };
        space.apply("report", space.spec(json!({}))).await;
        assert!(hold.reached(DEADLINE).await, "{step} {is_after}");
        space.operator.kill();
        let before = space.secrets().get_opt("report").await.unwrap();
        assert_eq!(before.is_some(), is_written, "{step} {is_after}");
        let _again = space.another_operator();
        space.wait_ready("report", "True", "Issued").await;
        if let Some(before) = before {
            let after = space.secrets().get("report").await.unwrap();
            assert_eq!(after.metadata.resource_version, before.metadata.resource_version, "minted once");
        }
        assert_eq!(space.download("report").await.unwrap(), "content");
    }
}

#[tokio::test]
async fn a_late_write_cannot_replace_newer_work() {
    let (space, proxy) = Space::behind_proxy("late").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    let first = space.data("report", "url").await;
    // A URL signed within the same second would be the same URL.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let late = proxy.hold(secret_writes("report"));
    space.ask_for_renewal("report", "one");
    assert!(late.reached(DEADLINE).await);

    // While that write is under way, another operator does the work, and more.
    let another = space.another_operator();
    space.wait_secret("report", "another URL", |secret| text(secret, "url") != first).await;
    space.apply("report", space.spec(json!({"expiresIn": "2h"}))).await;
    space.wait_ready("report", "True", "Issued").await;
    another.stop();
    let newer = space.secrets().get("report").await.unwrap();
    late.release();

    // The late one looks afresh and finds nothing to do: a later object shows that it is past.
    space.apply("later", space.spec(json!({}))).await;
    space.wait_ready("later", "True", "Issued").await;
    let after = space.secrets().get("report").await.unwrap();
    assert_eq!(text(&after, "url"), text(&newer, "url"));
    assert_eq!(after.metadata.resource_version, newer.metadata.resource_version);
}

#[tokio::test]
async fn an_object_deleted_while_its_url_is_written_leaves_nothing() {
    let (space, proxy) = Space::behind_proxy("deleted").await;
    let hold = proxy.hold(secret_writes("report"));
    space.apply("report", space.spec(json!({}))).await;
    assert!(hold.reached(DEADLINE).await);
    space.presigned_urls().delete("report", &DeleteParams::default()).await.unwrap();
    hold.release();
    // Written after its owner went, the Secret names an owner that does not exist.
    let is_made = |entry: &serde_json::Value| {
        entry["verb"] == "create"
            && entry["objectRef"]["resource"] == "secrets"
            && entry["responseStatus"]["code"] == 201
    };
    let has_arrived = async || operators_log(&space).await.iter().any(is_made);
    assert!(testbed::eventually(DEADLINE, has_arrived).await, "the write that was held never arrived");
    space
        .wait_for(COLLECTED, space.secrets(), "report", "no Secret", |secret| secret.is_none().then_some(()))
        .await;
}
