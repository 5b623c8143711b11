//! How often the STS is asked when many objects are new at once.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::json;

use crate::shared::Shared;
use crate::stores::ROLE;

/// Issues URLs for so many objects of each of so many teams, which all exist before the operator starts.
async fn issue(narrow_to: &str, teams: usize, each: usize) -> Shared {
    let story = format!("counts-{}", narrow_to.to_lowercase());
    let mut shared = Shared::new(&story, teams).await;
    let arn = shared.store.role_arn(ROLE);
    shared.apply_signer(&arn, json!({"session": {"narrowTo": narrow_to}})).await;
    for team in &shared.teams {
        let names = (0..each).map(|number| format!("object-{number}"));
        let shared = &shared;
        join_all(names.map(|name| async move { shared.apply(team, &name).await })).await;
    }
    shared.start();
    for team in &shared.teams {
        assert_eq!(shared.wait_all(team, "True", "Issued").await.len(), each);
        assert_eq!(shared.download(team, "object-0").await, format!("of {team}"));
    }
    shared
}

#[tokio::test]
async fn the_objects_of_a_namespace_share_one_session() {
    let shared = issue("Namespace", 10, 20).await;
    let answers = shared.front.answers();
    let names: BTreeSet<_> = answers.into_iter().map(|answer| answer.session_name).collect();
    assert_eq!(names, shared.teams.iter().map(|team| format!("presign-{team}")).collect());
    assert_eq!(shared.front.count(None), 10);
}

#[tokio::test]
async fn all_namespaces_share_one_session_that_is_not_narrowed() {
    let shared = issue("Nothing", 3, 20).await;
    assert_eq!(shared.front.count(None), 1);
}

#[tokio::test]
async fn each_object_has_its_own_session_if_the_signer_asks_for_that() {
    let shared = issue("Object", 20, 1).await;
    assert_eq!(shared.front.count(None), 20);
}
