//! A restart is no reason for anything.

use kube::api::ListParams;
use serde_json::json;
use testbed::{Fault, Match};

use super::harness::{DEADLINE, Operator, Space};

/// Name, resource version and URL of every Secret of ours.
async fn secrets(space: &Space) -> Vec<(String, String, String)> {
    let ours = ListParams::default().labels("presign.dev/managed=true");
    let list = space.secrets().list(&ours).await.unwrap();
    list.items
        .into_iter()
        .map(|secret| {
            let url = super::harness::text(&secret, "url");
            (secret.metadata.name.unwrap(), secret.metadata.resource_version.unwrap(), url)
        })
        .collect()
}

#[tokio::test]
async fn a_restart_writes_nothing() {
    let mut space = Space::new("restart").await;
    for name in ["a", "b", "c"] {
        space.apply(name, space.spec(json!({"secret": {"labels": {"x": "y"}}}))).await;
        space.wait_ready(name, "True", "Issued").await;
    }
    let before = secrets(&space).await;
    let statuses = |list: kube::core::ObjectList<presign_operator::crd::PresignedUrl>| {
        list.items.into_iter().map(|object| object.metadata.resource_version).collect::<Vec<_>>()
    };
    let reported = statuses(space.presigned_urls().list(&ListParams::default()).await.unwrap());
    for _ in 0..2 {
        space.operator.stop();
        space.operator = Operator::start(space.world, &space.namespace, &[]);
        // A new object is served after the old ones were looked at: passes run in parallel,
        // so its URL shows that the operator is past its start.
        space.apply("late", space.spec(json!({}))).await;
        space.wait_ready("late", "True", "Issued").await;
        let metrics = space.operator.page("/metrics");
        assert!(metrics.contains("presign_reconcile_duration_seconds_count{result=\"kept\"}"), "{metrics}");
        space.presigned_urls().delete("late", &kube::api::DeleteParams::default()).await.unwrap();
        space
            .wait_for(DEADLINE, space.secrets(), "late", "its end", |secret| secret.is_none().then_some(()))
            .await;
        assert_eq!(secrets(&space).await, before);
        assert_eq!(statuses(space.presigned_urls().list(&ListParams::default()).await.unwrap()), reported);
    }
}

#[tokio::test]
async fn a_first_list_that_breaks_off_is_no_reason_either() {
    let (space, proxy) = Space::behind_proxy("halfway").await;
    for name in ["a", "b", "c", "d"] {
        space.apply(name, space.spec(json!({}))).await;
        space.wait_ready(name, "True", "Issued").await;
    }
    let before = secrets(&space).await;
    space.operator.stop();
    let mark = super::harness::mark_of_lists(&proxy);
    // Within the first object, within the second, and after most of them.
    for bytes in [700, 3_000, 5_000] {
        for resource in ["/presignedurls?", "managed%3Dtrue"] {
            let first = Match::new("GET", resource).and(mark);
            proxy.fault(first, 1, Fault::BreakOff(bytes));
        }
    }
    let variables = [("KUBECONFIG", proxy.kubeconfig().to_str().unwrap())];
    let operator = Operator::start(space.world, &space.namespace, &variables);
    space.apply("late", space.spec(json!({}))).await;
    space.wait_ready("late", "True", "Issued").await;
    assert_eq!(operator.page("/readyz").trim(), "ok");
    let begun = proxy.seen().iter().filter(|request| request.contains(mark)).count();
    assert!(begun >= 3 + 3 + 3 + 2, "three lists, and six that broke off: {begun}");
    let now: Vec<_> = secrets(&space).await.into_iter().filter(|(name, ..)| name != "late").collect();
    assert_eq!(now, before);
}

#[tokio::test]
async fn a_stop_finishes_and_exits_cleanly() {
    let space = Space::new("stop").await;
    space.apply("report", space.spec(json!({}))).await;
    space.wait_ready("report", "True", "Issued").await;
    assert_eq!(space.operator.page("/readyz").trim(), "ok");
    assert_eq!(space.operator.page("/livez").trim(), "ok");
    space.operator.stop();
    let log = space.operator.log();
    // Connections that close after it are the libraries' to tell.
    let last = log.lines().rfind(|line| line.contains("presign_operator::"));
    assert!(last.is_some_and(|line| line.ends_with("stopped")), "{log}");
}
