//! What a change of a signer costs: only a verdict that changed is written.

use std::collections::BTreeMap;

use futures::future::join_all;
use kube::api::ListParams;
use serde_json::json;

use crate::harness::{DEADLINE, audit, kept};
use crate::tenancy::Tenancy;

const OBJECTS: usize = 60;
/// Those of them that the last policy denies.
const DENIED: usize = 10;

/// Waits until so many more reconciles found nothing to do than on an earlier page of metrics.
async fn wait_kept(tenancy: &Tenancy, before: &str, more: usize) {
    let least = kept(before) + more;
    let operator = &tenancy.team.operator;
    operator.wait_metrics(DEADLINE, &format!("{least} reconciles"), |page| kept(page) >= least).await;
}

/// The calls of the operator for the objects of the team, but for watches and events. An event is no
/// part of a reconcile and may be written late.
async fn calls(tenancy: &Tenancy) -> Vec<String> {
    let mut calls = audit(&tenancy.team).await;
    calls.retain(|call| !call.starts_with("watch") && !call.contains("events"));
    calls.sort();
    calls
}

/// The versions of all Secrets of the team, which every write changes.
async fn versions(tenancy: &Tenancy) -> BTreeMap<Option<String>, Option<String>> {
    let secrets = tenancy.team.secrets().list(&ListParams::default()).await.unwrap().items;
    secrets.into_iter().map(|secret| (secret.metadata.name, secret.metadata.resource_version)).collect()
}

/// What was called since an earlier list, which is a part of the later one.
fn since(mut later: Vec<String>, earlier: &[String]) -> Vec<String> {
    for call in earlier {
        let place = later.iter().position(|other| other == call).unwrap();
        later.remove(place);
    }
    later
}

#[tokio::test]
async fn a_change_of_a_signer_writes_only_the_verdicts_that_changed() {
    let tenancy = Tenancy::new("cost").await;
    let team = &tenancy.team;
    let capped = |cap: &str, prefix: &str| {
        tenancy.policy(json!({"maxExpiresIn": cap, "keyPrefixes": [prefix]}), json!({}))
    };
    tenancy.apply_signer(capped("50m", "tenants/{namespace}/")).await;
    let name = |number: usize| format!("o{number:02}");
    let apply = |number: usize| {
        let folder = if number < DENIED { "drafts" } else { "final" };
        let key = format!("tenants/{}/{folder}/{number}", tenancy.name());
        let (name, spec) = (name(number), tenancy.spec(json!({"key": key})));
        async move { team.apply(&name, spec).await }
    };
    join_all((0..OBJECTS).map(apply)).await;
    for number in 0..OBJECTS {
        team.wait_ready(&name(number), "True", "Issued").await;
    }
    let (first, secrets) = (calls(&tenancy).await, versions(&tenancy).await);
    assert_eq!(secrets.len(), OBJECTS);

    // Another cap waits for the renewals.
    let page = team.operator.page("/metrics");
    tenancy.apply_signer(capped("40m", "tenants/{namespace}/")).await;
    wait_kept(&tenancy, &page, OBJECTS).await;
    assert_eq!(since(calls(&tenancy).await, &first), Vec::<String>::new());

    let page = team.operator.page("/metrics");
    tenancy.apply_signer(capped("40m", "tenants/{namespace}/final/")).await;
    for number in 0..DENIED {
        team.wait_ready(&name(number), "False", "NotPermitted").await;
    }
    wait_kept(&tenancy, &page, OBJECTS - DENIED).await;
    let expected: Vec<_> =
        (0..DENIED).map(|number| format!("patch presignedurls/{}/status", name(number))).collect();
    assert_eq!(since(calls(&tenancy).await, &first), expected);
    assert_eq!(versions(&tenancy).await, secrets, "the URLs stay until they expire");
}
