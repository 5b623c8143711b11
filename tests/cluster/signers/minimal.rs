//! Signers where the operator may not do everything: Secrets by name only, no `ClusterSigner`s, no
//! credentials of the teams themselves.

use serde_json::json;

use super::{apply_signer_of_namespace, message, stalled};
use crate::harness::{SECOND_KEY, Space};
use crate::tenancy::{Tenancy, permitted};

#[tokio::test]
async fn a_cluster_signer_works_where_secrets_are_read_by_name() {
    let (tenancy, proxy) = Tenancy::behind_proxy("by-name", &[("PRESIGN_SECRET_ACCESS", "get")]).await;
    let team = &tenancy.team;
    tenancy.apply_signer(json!({})).await;
    let object = tenancy.issue("report", json!({})).await;
    assert_eq!(permitted(&object).unwrap().0, "True");
    assert_eq!(team.download("report").await.unwrap(), "content");

    tenancy.write_key(SECOND_KEY).await;
    team.renew("report", "rotated").await;
    assert!(team.data("report", "url").await.contains(SECOND_KEY.0), "the next URL is of the rotated key");
    assert_eq!(team.download("report").await.unwrap(), "content");

    let seen = proxy.seen();
    let of_secrets: Vec<_> = seen.iter().filter(|request| request.contains("/secrets")).collect();
    assert!(of_secrets.iter().any(|request| request.contains(&tenancy.platform)), "{of_secrets:?}");
    // A list and a watch have no name in their path.
    let is_list = |request: &&&String| request.starts_with("GET ") && request.contains("/secrets?");
    assert_eq!(of_secrets.iter().filter(is_list).count(), 0, "{of_secrets:?}");
}

#[tokio::test]
async fn an_operator_without_cluster_signers_says_so() {
    let tenancy = Tenancy::with("without", &[("PRESIGN_CLUSTER_SIGNERS", "false")]).await;
    let team = &tenancy.team;
    tenancy.apply_signer(json!({})).await;
    team.apply("report", tenancy.spec(json!({}))).await;
    let object = team.wait_ready("report", "False", "SignerNotFound").await;
    assert!(message(&object).contains("--cluster-signers"), "{}", message(&object));
    assert_eq!(stalled(&object), None);
    team.write_keys(team.world.store.secret_access_key()).await;
    team.apply("inline", team.spec(json!({}))).await;
    team.wait_ready("inline", "True", "Issued").await;
    assert_eq!(team.download("inline").await.unwrap(), "content");
}

#[tokio::test]
async fn credentials_of_the_teams_themselves_can_be_denied() {
    let space = Space::with("no-inline", &[("PRESIGN_INLINE_CREDENTIALS", "Deny")]).await;
    space.apply("inline", space.spec(json!({}))).await;
    let object = space.wait_ready("inline", "False", "NotPermitted").await;
    assert!(message(&object).contains("--inline-credentials"), "{}", message(&object));
    assert_eq!(stalled(&object), Some("NotPermitted"));
    assert!(space.secrets().get_opt("inline").await.unwrap().is_none(), "nothing is written");
    apply_signer_of_namespace(&space, "own", json!({})).await;
    space.apply("inline", space.spec(json!({"s3": null, "signerRef": {"name": "own"}}))).await;
    space.wait_ready("inline", "True", "Issued").await;
    assert_eq!(space.download("inline").await.unwrap(), "content");
}
