//! A signer that is deleted: that is waited for, whatever its policy says, since nobody denied anything.

use kube::api::DeleteParams;
use serde_json::json;

use super::{message, stalled, version};
use crate::tenancy::{Tenancy, permitted};

#[tokio::test]
async fn a_signer_that_goes_withdraws_nothing_and_one_that_comes_back_mints_nothing() {
    let tenancy = Tenancy::new("lost").await;
    let team = &tenancy.team;
    let withdrawing = || tenancy.policy(json!({}), json!({"whenDenied": "Withdraw"}));
    tenancy.apply_signer(withdrawing()).await;
    tenancy.issue("report", json!({})).await;
    let before = team.secrets().get("report").await.unwrap();

    tenancy.signers().delete(tenancy.name(), &DeleteParams::default()).await.unwrap();
    let object = team.wait_ready("report", "True", "RenewalFailing").await;
    let said = message(&object);
    assert!(said.contains("does not exist") && said.contains("works until"), "{said}");
    assert_eq!((stalled(&object), permitted(&object)), (None, None), "it waits");
    // One that needs a URL has none until the signer is there.
    team.apply("later", tenancy.spec(json!({}))).await;
    team.wait_ready("later", "False", "SignerNotFound").await;
    assert_eq!(version(&team.secrets().get("report").await.unwrap()), version(&before));
    assert_eq!(team.download("report").await.unwrap(), "content");

    tenancy.apply_signer(withdrawing()).await;
    team.wait_ready("later", "True", "Issued").await;
    let object = team.wait_ready("report", "True", "Issued").await;
    assert_eq!(permitted(&object).unwrap().0, "True");
    assert_eq!(version(&team.secrets().get("report").await.unwrap()), version(&before), "the same URL");
    assert_eq!(team.download("report").await.unwrap(), "content");
}
