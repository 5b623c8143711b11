//! One namespace asks for many sessions that nobody issues, and another one needs one.

use std::time::{Duration, Instant};

use futures::future::join_all;
use kube::api::{Api, Patch, PatchParams};
use presign_operator::crd::PresignedUrl;
use serde_json::json;
use testbed::StsFault;

use crate::harness::{
    DEADLINE, Operator, PERMITTED_STS, UNOPPOSED, audit, make_namespace, ready, write_account,
};
use crate::session_space::SessionSpace;
use crate::stores::{ACCOUNT, OTHER_ROLE, ROLE};

/// How many roles are broken.
const ROLES: usize = 100;
/// How many requests of one namespace run at a time.
const AT_A_TIME: usize = 5;
/// How long the operator waits for the STS, in seconds.
const PATIENCE: usize = 10;
/// How long the operator keeps a `ServiceAccount` that it read, in seconds.
const KEPT: usize = 10;

#[tokio::test]
async fn a_namespace_with_a_hundred_hanging_roles_holds_up_no_other() {
    let place = SessionSpace::new("flood").await;
    let (client, own) = (&place.space.client, place.space.namespace.as_str());
    let calm = make_namespace(client, "calm-").await;
    write_account(client, &calm, ACCOUNT, Some("*")).await.unwrap();
    place.space.operator.stop();
    let variables = [PERMITTED_STS, UNOPPOSED];
    let operator = Operator::start_for(place.space.world, &[own, &calm], own, &variables);

    place.front.fault(StsFault::Hang);
    // As if it had no fault.
    place.front.fault_for(place.arn(OTHER_ROLE), StsFault::Delay(Duration::ZERO));
    let begun = Instant::now();
    let flood = (0..ROLES).map(|number| {
        let spec = place.spec(&place.web_identity(&format!("broken-{number}")), json!({}));
        let space = &place.space;
        async move { space.apply(&format!("broken-{number}"), spec).await }
    });
    join_all(flood).await;
    let full = async {
        while place.front.count(None) < AT_A_TIME {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, full).await.expect("the flood reaches the STS");

    let objects = Api::<PresignedUrl>::namespaced(client.clone(), &calm);
    let body = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": "report"},
        "spec": place.spec(&place.web_identity(OTHER_ROLE), json!({})),
    });
    objects.patch("report", &PatchParams::apply("person"), &Patch::Apply(body)).await.unwrap();
    let is_issued =
        |object: Option<&PresignedUrl>| ready(object?).filter(|ready| ready.status == "True").map(drop);
    place.space.wait_for(DEADLINE, objects, "report", "a URL", is_issued).await;

    let asked = place.front.count(None) - place.front.count(Some(&place.arn(OTHER_ROLE)));
    assert!(asked < ROLES, "most of the flood still waits");
    let turns = usize::try_from(begun.elapsed().as_secs()).unwrap() / PATIENCE + 1;
    assert!(asked <= AT_A_TIME * turns, "{asked} in {turns} turns");
    assert_eq!(place.sessions().len(), 1, "nobody else got one");
    operator.expect_running();
}

#[tokio::test]
async fn many_new_objects_read_their_service_account_once() {
    let place = SessionSpace::new("reads").await;
    place.space.operator.stop();
    let names: Vec<_> = (0..60).map(|number| format!("object-{number}")).collect();
    let all = names.iter().map(|name| {
        let spec = place.spec(&place.web_identity(ROLE), json!({}));
        place.space.apply(name, spec)
    });
    join_all(all).await;
    let begun = Instant::now();
    let variables = [PERMITTED_STS, UNOPPOSED];
    let operator = Operator::start(place.space.world, &place.space.namespace, &variables);
    for name in &names {
        place.space.wait_ready(name, "True", "Issued").await;
    }
    let calls = audit(&place.space).await;
    let read = format!("get serviceaccounts/{ACCOUNT}");
    let reads = calls.iter().filter(|call| **call == read).count();
    let turns = usize::try_from(begun.elapsed().as_secs()).unwrap() / KEPT + 1;
    // Once for the objects, and once more before each session is requested.
    let sessions = place.front.count(None);
    assert!((2..=turns + sessions).contains(&reads), "{reads} reads in {turns} turns, {sessions} sessions");
    operator.expect_running();
}
