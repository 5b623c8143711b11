//! Two operators for the same objects that do not share a lease, as one at somebody's desk beside
//! that of the chart.

use super::harness::{Operator, Space, make_namespace};

const WARNING: &str = "another operator leads in the same namespaces with its own lease";

#[tokio::test]
async fn an_operator_that_leads_beside_another_one_says_so() {
    let space = Space::new("rivals").await;
    space.operator.wait_counted("presign_leader 1").await;

    let (desk, elsewhere) =
        (make_namespace(&space.client, "desk-").await, make_namespace(&space.client, "desk-").await);
    let beside = Operator::start_for(space.world, &[&space.namespace], &desk, &[]);
    let apart = Operator::start_for(space.world, &[&elsewhere], &elsewhere, &[]);
    let standby = Operator::start(space.world, &space.namespace, &[]);
    beside.wait_log(WARNING).await;
    let log = beside.log();
    let line = log.lines().find(|line| line.contains(WARNING)).unwrap();
    assert!(line.contains("WARN") && line.contains(&space.namespace), "{line}");
    for quiet in [&apart, &standby] {
        quiet.wait_log("looked for other operators").await;
        let log = quiet.log();
        // Operators of other stories may look after all namespaces.
        let warning = log.lines().find(|line| line.contains(WARNING) && line.contains(&space.namespace));
        assert_eq!(warning, None);
    }
}
