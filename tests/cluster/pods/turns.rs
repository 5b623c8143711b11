//! A namespace whose requests hang holds up no other namespace.

use super::*;
use crate::harness::UNOPPOSED;

/// More than the operator sends at a time.
const MANY: usize = 8;

#[tokio::test]
async fn a_namespace_whose_patches_and_events_hang_holds_up_no_other() {
    let (mut space, proxy) = Space::behind_proxy("hanging-pods").await;
    let other = Space::new("hanging-pods").await;
    space.operator.stop();
    other.operator.stop();
    let spec = json!({"volumes": secret_volume("report"), "containers": [mounting(None)]});
    await_default_account(&space).await;
    await_default_account(&other).await;
    for number in 0..MANY {
        make(&space, &format!("stuck-{number}"), spec.clone(), "Running").await;
    }
    make(&other, "free", spec, "Running").await;
    let below = |rest: &str| format!("/namespaces/{}/{rest}", space.namespace);
    let patches: Vec<_> = (0..MANY).map(|_| proxy.hold(Match::new("PATCH", below("pods/")))).collect();
    let events: Vec<_> = (0..MANY).map(|_| proxy.hold(Match::new("POST", below("events")))).collect();
    // Requests may take as long as this test holds them.
    let (kubeconfig, patient) = (proxy.kubeconfig().to_str().unwrap(), ("PRESIGN_REQUEST_TIMEOUT", "300"));
    let variables = [GRANTED, UNOPPOSED, patient, ("KUBECONFIG", kubeconfig)];
    let namespaces = [space.namespace.as_str(), other.namespace.as_str()];
    space.operator = Operator::start_for(space.world, &namespaces, &space.namespace, &variables);
    space.apply("report", space.spec(json!({"podRefresh": "Annotate"}))).await;
    assert!(patches[0].reached(DEADLINE).await && events[0].reached(DEADLINE).await);
    other.apply("report", other.spec(json!({"podRefresh": "Annotate"}))).await;
    other.wait_ready("report", "True", "Issued").await;
    wait_annotated(&other, "free", &signing_time(&other, "report").await).await;
    other.wait_event("report", "Normal Issued").await;
    for pod in pods(&space).list(&ListParams::default()).await.unwrap() {
        assert_eq!(renewed_at(&pod), None, "those still hang");
    }
}
