//! The roles of the chart, each mode on a real API server with RBAC: the operator can do its
//! work with them, tries nothing else, and needs every permission in them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod chart;
mod guarded;
#[allow(dead_code, unused_imports, reason = "the stories use more of it")]
#[path = "../cluster/harness/mod.rs"]
mod harness;
mod place;
mod sessions;
mod signing;
mod story;
mod tokens;

use futures::StreamExt as _;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::RwLock;
use tokio::task::spawn_blocking;

use chart::{Mode, Permission, Roles};
use harness::DEADLINE;
use place::RestrictedOperator;
use story::{Step, first_failure};
use testbed::eventually;

/// An operator for the whole cluster must not meet those of the other stories.
pub(crate) static CLUSTER: RwLock<()> = RwLock::const_new(());

/// Places that are looked at at a time.
const AT_A_TIME: usize = 12;

/// What a permission is good for: the first step of the story that fails without it.
fn needed_for(permission: &Permission) -> Step {
    match (permission.resource.as_str(), permission.verb.as_str()) {
        ("leases", _) => Step::Leads,
        // A streamed list is a watch; where lists cannot be streamed, they are listed.
        ("presignedurls" | "secrets", "watch" | "list") => Step::IsReady,
        ("secrets", "get" | "create") => Step::Issues,
        // A Secret is created by a POST, and written again by patches.
        ("secrets", "patch") => Step::NoticesKeys,
        ("presignedurls", "get") => Step::ReadsLargeSpecs,
        ("presignedurls/status", _) => Step::Reports,
        ("signers", "watch" | "list") => Step::UsesSigners,
        ("signers/status", _) => Step::ReportsSigners,
        ("clustersigners" | "namespaces", "watch" | "list") => Step::UsesClusterSigners,
        ("clustersigners/status", _) => Step::ReportsClusterSigners,
        ("events", "create") => Step::Tells,
        ("serviceaccounts" | "serviceaccounts/token" | "tokenreviews", _) => Step::UsesSessions,
        ("secrets", "delete") => Step::Prunes,
        ("events", "patch") => Step::CountsEvents,
        other => panic!("the story does not say what {other:?} is good for"),
    }
}

/// Whether a permission is for objects that belong to no namespace. Only the mode for the whole cluster
/// has such permissions here.
fn is_of_no_namespace(permission: &Permission) -> bool {
    ["clustersigners", "clustersigners/status", "namespaces"].contains(&permission.resource.as_str())
}

#[tokio::test]
async fn the_whole_cluster_is_looked_after_with_the_same_rules_and_nothing_else_is_tried() {
    let _alone = CLUSTER.write().await;
    let mut permissions = Roles::render(Mode::Cluster, "home").permissions();
    permissions.retain(|permission| !is_of_no_namespace(permission));
    assert_eq!(permissions, Roles::render(Mode::Namespaces, "home").permissions());
    let place = RestrictedOperator::with(Mode::Cluster, |_| true).await;
    assert_eq!(first_failure(&place, Mode::Cluster, None).await, None, "{}", place.space.operator.log());
    place.assert_nothing_was_refused().await;
}

#[tokio::test]
async fn the_other_modes_do_their_work_and_try_nothing_else() {
    let _others = CLUSTER.read().await;
    let work = [Mode::Namespaces, Mode::Minimal, Mode::WebIdentity].map(async |mode| {
        let place = RestrictedOperator::with(mode, |_| true).await;
        assert_eq!(
            first_failure(&place, mode, None).await,
            None,
            "{mode:?}:\n{}",
            place.space.operator.log()
        );
        place.assert_nothing_was_refused().await;
    });
    futures::future::join_all(work).await;
}

#[tokio::test]
async fn every_permission_is_needed() {
    let _others = CLUSTER.read().await;
    let cases: Vec<(Mode, Permission)> = [Mode::Namespaces, Mode::Minimal]
        .into_iter()
        .flat_map(|mode| Roles::render(mode, "home").permissions().into_iter().map(move |p| (mode, p)))
        .collect();
    assert!(cases.len() > 20, "{cases:?}");
    futures::stream::iter(cases)
        .for_each_concurrent(AT_A_TIME, async |(mode, without)| {
            let runtime = Handle::current();
            // On a thread of its own, so that a program that one case waits for does not stop the others.
            let judged = spawn_blocking(move || runtime.block_on(assert_is_needed(mode, &without)));
            drop(judged.await.unwrap());
        })
        .await;
}

#[tokio::test]
async fn every_permission_for_objects_of_no_namespace_is_needed() {
    let _alone = CLUSTER.write().await;
    let mut permissions = Roles::render(Mode::Cluster, "home").permissions();
    permissions.retain(is_of_no_namespace);
    assert_eq!(permissions.len(), 5, "{permissions:?}");
    // One after the other, since the roles are the cluster's.
    for without in permissions {
        assert_is_needed(Mode::Cluster, &without).await;
    }
}

/// Without the permission, the API server refuses a call, and the step that needs it fails. Returns where
/// that was.
async fn assert_is_needed(mode: Mode, without: &Permission) -> RestrictedOperator {
    let others = |permission: &Permission| permission != without;
    let place = match without.verb.as_str() {
        "list" => RestrictedOperator::without_streams(mode, others).await,
        _ => RestrictedOperator::with(mode, others).await,
    };
    let failed = first_failure(&place, mode, Some(without)).await;
    assert_eq!(failed, Some(needed_for(without)), "{mode:?} without {without:?}");
    assert!(place.was_refused(without).await, "{mode:?}: {without:?} was never asked for");
    place
}

#[tokio::test]
async fn a_namespace_that_refuses_is_named_and_holds_up_no_other() {
    let _others = CLUSTER.read().await;
    let place = RestrictedOperator::with(Mode::Namespaces, |_| true).await;
    let other = place.another_namespace().await;
    // Its role there lacks Secrets.
    place.grant(&other, |permission| permission.resource != "secrets");
    place.restart_for(&[&place.space.namespace, &other]);
    place.space.apply("report", place.space.spec(json!({}))).await;
    place.space.wait_ready("report", "True", "Issued").await;
    let says = async |wanted: &str| {
        let is_so = eventually(DEADLINE, async || place.page("/readyz").trim() == wanted).await;
        assert!(is_so, "{}", place.page("/readyz"));
    };
    says(&format!("watch of our Secrets in {other}\nwatch of other Secrets in {other}")).await;
    let log = place.log();
    let told = log.lines().find(|line| line.contains("cannot watch") && line.contains(&other));
    assert!(told.is_some_and(|line| line.contains("403")), "{log}");
    // What is granted later is taken up, without a restart.
    place.grant(&other, |_| true);
    says("ok").await;
}
