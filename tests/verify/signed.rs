//! URLs of a `ClusterSigner`: its store may be asked, with its key, for as long as it permits the URL.

use std::time::Duration;

use presign_operator::crd::PresignedUrl;
use serde_json::json;
use testbed::StsFault;

use crate::harness::SECOND_KEY;
use crate::stories::{front, front_and_entry, message, verified, wait_asked, wait_verified};
use crate::tenancy::Tenancy;

/// Much longer than the first pause of a question that got no answer.
const ASKED_AGAIN: Duration = Duration::from_secs(180);

#[tokio::test]
async fn the_store_of_a_cluster_signer_needs_no_entry_but_an_internal_address_does() {
    let front = front().await;
    let tenancy = Tenancy::with("verify-signer", &[("PRESIGN_VERIFY", "true")]).await;
    tenancy.apply_signer(json!({"s3": {"endpoint": front.endpoint()}})).await;
    tenancy.issue("report", json!({"verify": "Once"})).await;
    let object = wait_verified(&tenancy.team, "report", "Unknown", "NotAsked").await;
    // Not that no ClusterSigner names it: the host is permitted, and this address is not one of the internet.
    let address = front.endpoint().strip_prefix("http://").unwrap().to_owned();
    let said = message(&object);
    assert!(said.contains("internal address"), "{said}");
    assert!(said.contains(&format!("--verify-allow {address}=CIDR")), "{said}");
    assert_eq!(front.count(None), 0);
}

#[tokio::test]
async fn once_asks_with_the_key_of_the_signer_and_again_after_it_changed() {
    let (front, entry) = front_and_entry().await;
    let environment = [("PRESIGN_VERIFY", "true"), ("PRESIGN_VERIFY_ALLOW", entry.as_str())];
    let tenancy = Tenancy::with("verify-signer-once", &environment).await;
    let team = &tenancy.team;
    tenancy.apply_signer(json!({"s3": {"endpoint": front.endpoint()}})).await;
    tenancy.issue("report", json!({"verify": "Once"})).await;
    wait_verified(team, "report", "True", "Accepted").await;
    assert_eq!(front.count(None), 1);

    tenancy.write_key((SECOND_KEY.0, "not-the-secret-of-this-access-key-id-00")).await;
    let object = wait_verified(team, "report", "False", "SignatureDoesNotMatch").await;
    let said = message(&object);
    assert!(said.contains(&format!("of ClusterSigner {:?}", tenancy.name())), "{said}");
    tenancy.write_key(SECOND_KEY).await;
    wait_verified(team, "report", "True", "Accepted").await;
    assert_eq!(front.count(None), 3);
}

#[tokio::test]
async fn a_question_about_a_url_ends_when_its_signer_denies_it() {
    let ((front, entry), (of_team, of_team_entry)) = (front_and_entry().await, front_and_entry().await);
    let entries = format!("{entry},{of_team_entry}");
    let environment = [("PRESIGN_VERIFY", "true"), ("PRESIGN_VERIFY_ALLOW", entries.as_str())];
    let tenancy = Tenancy::with("verify-denied", &environment).await;
    let team = &tenancy.team;
    let at_front = json!({"s3": {"endpoint": front.endpoint()}});
    tenancy.apply_signer(at_front.clone()).await;
    front.fault(StsFault::Close);
    tenancy.issue("report", json!({"verify": "Always"})).await;
    wait_asked(&front, 1).await;
    wait_verified(team, "report", "Unknown", "Unreachable").await;
    // A URL without a signer at another store, which is asked about a moment later.
    of_team.fault(StsFault::Close);
    team.write_keys(team.world.store.secret_access_key()).await;
    let spec = json!({"verify": "Always", "s3": {"endpoint": of_team.endpoint()}});
    team.apply("other", team.spec(spec)).await;
    wait_asked(&of_team, 1).await;

    let mut denial = tenancy.denial(json!({}));
    crate::harness::merge(&mut denial, at_front);
    tenancy.apply_signer(denial).await;
    team.wait_ready("report", "False", "NotPermitted").await;
    front.heal();
    of_team.heal();
    // The store is asked again about the other one, and by then it had been asked about this one.
    let is_accepted = |object: Option<&PresignedUrl>| {
        let found = verified(object?)?;
        (found.reason == "Accepted").then_some(())
    };
    team.wait_for(ASKED_AGAIN, team.presigned_urls(), "other", "Verified Accepted", is_accepted).await;
    assert_eq!(front.count(None), 1, "nothing is signed with the key any more");
    let object = team.presigned_urls().get("report").await.unwrap();
    assert_eq!(verified(&object).unwrap().status, "Unknown");
}
