//! An operator that may not do everything: who waits for what is missing, and who does not.

use serde_json::json;

use super::{message, stalled};
use crate::tenancy::Tenancy;

#[tokio::test]
async fn without_the_permission_for_cluster_signers_the_others_work_and_these_say_what_is_missing() {
    let mut tenancy = Tenancy::new("rights").await;
    tenancy.apply_signer(json!({})).await;
    tenancy.restrict_operator();
    let team = &tenancy.team;
    team.write_keys(team.world.store.secret_access_key()).await;
    team.apply("report", tenancy.spec(json!({}))).await;
    let object = team.wait_ready("report", "False", "SignerNotFound").await;
    let said = message(&object);
    assert!(
        said.contains("permission to list and watch signers") && said.contains("ClusterSigner"),
        "{said}"
    );
    assert_eq!(stalled(&object), None, "it waits");
    team.apply("inline", team.spec(json!({}))).await;
    team.wait_ready("inline", "True", "Issued").await;
    assert_eq!(team.download("inline").await.unwrap(), "content");
    let log = team.operator.log();
    let warning = log.lines().find(|line| line.contains("cannot watch") && line.contains("ClusterSigners"));
    assert!(warning.is_some_and(|line| line.contains("403")), "{log}");

    // What is granted later works without a restart.
    tenancy.grant_cluster_signers();
    tenancy.grant_platform_secrets();
    team.wait_ready("report", "True", "Issued").await;
    assert_eq!(team.download("report").await.unwrap(), "content");
}
