//! Two operators for the same objects that do not share a lease, as one at somebody's desk beside
//! that of the chart.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use super::harness::{DEADLINE, Operator, Space};

const WARNING: &str = "another operator leads in the same namespaces with its own lease";

async fn namespace(space: &Space) -> String {
    let metadata = ObjectMeta { generate_name: Some("desk-".to_owned()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    let made = Api::all(space.client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    made.metadata.name.unwrap()
}

async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_operator_that_leads_beside_another_one_says_so() {
    let space = Space::new("rivals").await;
    let leads = |page: &str| page.contains("presign_leader 1\n");
    space.operator.wait_metrics(DEADLINE, "the first one leads", leads).await;

    let (desk, elsewhere) = (namespace(&space).await, namespace(&space).await);
    let beside = Operator::start_for(space.world, &[&space.namespace], &desk, &[]);
    let apart = Operator::start_for(space.world, &[&elsewhere], &elsewhere, &[]);
    let standby = Operator::start(space.world, &space.namespace, &[]);
    eventually("it warns", || beside.log().contains(WARNING)).await;
    let log = beside.log();
    let line = log.lines().find(|line| line.contains(WARNING)).unwrap();
    assert!(line.contains("WARN") && line.contains(&space.namespace), "{line}");
    for quiet in [&apart, &standby] {
        eventually("it has looked", || quiet.log().contains("looked for other operators")).await;
        let log = quiet.log();
        // Operators of other stories may look after all namespaces.
        let told = log.lines().find(|line| line.contains(WARNING) && line.contains(&space.namespace));
        assert_eq!(told, None);
    }
}
