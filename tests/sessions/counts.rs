//! How often the STS is asked when many objects are new at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;

use crate::outages::{most_requests, refusal, wait_count};
use crate::shared::SharedSigner;
use crate::stores::{CHAINED_ROLE, ROLE};

/// Applies so many objects of each of so many teams, which all exist before the operator starts.
/// `assumed` is the role that is assumed with the session of the `ServiceAccount`.
async fn apply(
    story: &str,
    narrow_to: &str,
    assumed: Option<&str>,
    teams: usize,
    each: usize,
) -> SharedSigner {
    let shared = SharedSigner::new(story, teams).await;
    let arn = shared.store.role_arn(ROLE);
    let role = assumed.map(|role| json!({"roleARN": shared.store.role_arn(role)}));
    shared.apply_signer(&arn, json!({"assumeRole": role, "session": {"narrowTo": narrow_to}})).await;
    for team in &shared.teams {
        let names = (0..each).map(|number| format!("object-{number}"));
        let shared = &shared;
        join_all(names.map(|name| async move { shared.apply(team, &name).await })).await;
    }
    shared
}

/// Issues URLs for so many objects of each of so many teams.
async fn issue(narrow_to: &str, assumed: Option<&str>, teams: usize, each: usize) -> SharedSigner {
    let kind = if assumed.is_some() { "chain" } else { "one" };
    let story = format!("counts-{kind}-{}", narrow_to.to_lowercase());
    let mut shared = apply(&story, narrow_to, assumed, teams, each).await;
    shared.start();
    for team in &shared.teams {
        assert_eq!(shared.wait_all(team, "True", "Issued").await.len(), each);
        assert_eq!(shared.download(team, "object-0").await, format!("of {team}"));
    }
    shared
}

#[tokio::test]
async fn the_objects_of_a_namespace_share_one_session() {
    let shared = issue("Namespace", None, 10, 20).await;
    let answers = shared.front.answers();
    let names: BTreeSet<_> = answers.into_iter().map(|answer| answer.session_name).collect();
    assert_eq!(names, shared.teams.iter().map(|team| format!("presign-{team}")).collect());
    assert_eq!(shared.front.count(None), 10);
}

#[tokio::test]
async fn all_namespaces_share_one_session_that_is_not_narrowed() {
    let shared = issue("Nothing", None, 3, 20).await;
    assert_eq!(shared.front.count(None), 1);
}

#[tokio::test]
async fn each_object_has_its_own_session_if_the_signer_asks_for_that() {
    let shared = issue("Object", None, 20, 1).await;
    assert_eq!(shared.front.count(None), 20);
}

#[tokio::test]
async fn the_namespaces_share_the_session_that_the_role_is_assumed_with() {
    let shared = issue("Namespace", Some(CHAINED_ROLE), 10, 5).await;
    let (base, narrowed): (Vec<_>, Vec<_>) =
        shared.front.answers().into_iter().partition(|answer| answer.action == "AssumeRoleWithWebIdentity");
    assert_eq!((base.len(), narrowed.len(), shared.front.count(None)), (1, 10, 11));
    assert_eq!(base[0].session_name, format!("presign.signer.{}", shared.tenancy.name()));
    let names: BTreeSet<_> = narrowed.into_iter().map(|answer| answer.session_name).collect();
    assert_eq!(names, shared.teams.iter().map(|team| format!("presign-{team}")).collect());
}

#[tokio::test]
async fn a_role_that_is_throttled_costs_no_more_sessions_to_assume_it_with() {
    let mut shared = apply("counts-throttled", "Namespace", Some(CHAINED_ROLE), 10, 1).await;
    let (base, role) = (shared.store.role_arn(ROLE), shared.store.role_arn(CHAINED_ROLE));
    shared.front.fault_for(&role, refusal(429, "Throttling"));
    shared.start();
    // Each team is refused twice or more.
    wait_count(&shared.front, Some(&role), 25).await;
    assert_eq!(shared.front.count(Some(&base)), 1);
    shared.front.heal();
    for team in &shared.teams {
        assert_eq!(shared.wait_all(team, "True", "Issued").await.len(), 1);
    }
}

#[tokio::test]
async fn a_session_to_assume_roles_with_that_cannot_be_got_is_asked_for_once_for_all() {
    let mut shared = apply("counts-base", "Namespace", Some(CHAINED_ROLE), 10, 1).await;
    let (base, role) = (shared.store.role_arn(ROLE), shared.store.role_arn(CHAINED_ROLE));
    shared.front.fault_for(&base, refusal(429, "Throttling"));
    let begun = Instant::now();
    shared.start();
    wait_count(&shared.front, Some(&base), 3).await;
    // The operator's clock has whole seconds, so that each of the two waits may be a second shorter.
    let most = most_requests(begun.elapsed() + Duration::from_secs(2));
    let asked = shared.front.count(Some(&base));
    assert!(asked <= most, "{asked} requests and not {most}");
    assert_eq!(shared.front.count(Some(&role)), 0);
    shared.front.heal();
    for team in &shared.teams {
        assert_eq!(shared.wait_all(team, "True", "Issued").await.len(), 1);
    }
}
