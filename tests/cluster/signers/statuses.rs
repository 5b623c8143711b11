//! What the owner of a signer reads in its status. In the world of the `ClusterSigner` no other operator reports
//! it.

use kube::api::DeleteParams;
use presign_operator::crd::{ClusterSigner, Signer, SignerStatus};
use serde_json::json;
use testbed::Match;

use super::{BETWEEN_STATUSES, apply_signer_of_namespace, signers_of_namespace};
use crate::harness::{DEADLINE, Operator, Space, UNOPPOSED, World};
use crate::tenancy::{KEY, Tenancy};

/// Waits until the status of the signer is as wanted.
async fn wait_status(
    tenancy: &Tenancy,
    wanted: &str,
    is_so: impl Fn(&SignerStatus) -> bool,
) -> ClusterSigner {
    let select = |signer: Option<&ClusterSigner>| {
        let signer = signer?;
        signer.status.as_ref().is_some_and(&is_so).then(|| signer.clone())
    };
    tenancy.team.wait_for(BETWEEN_STATUSES, tenancy.signers(), tenancy.name(), wanted, select).await
}

/// The status, the reason and the message of the condition Ready.
fn ready(status: &SignerStatus) -> (&str, &str, &str) {
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    ready.map_or(("", "", ""), |ready| (ready.status.as_str(), ready.reason.as_str(), ready.message.as_str()))
}

#[tokio::test]
async fn a_status_tells_whether_the_signer_can_sign_and_for_how_many() {
    let tenancy = Tenancy::in_world(World::spacious().await, "statuses", &[]).await;
    let team = &tenancy.team;
    for (name, changes) in [("one", json!({})), ("two", json!({})), ("denied", json!({"key": "elsewhere"}))] {
        team.apply(name, tenancy.spec(changes)).await;
        team.wait_ready(name, "False", "SignerNotFound").await;
    }
    tenancy.apply_signer(json!({})).await;
    for (name, status, reason) in
        [("one", "True", "Issued"), ("two", "True", "Issued"), ("denied", "False", "NotPermitted")]
    {
        team.wait_ready(name, status, reason).await;
    }
    let counts_all = |status: &SignerStatus| {
        ready(status).0 == "True" && (status.allowed, status.denied) == (Some(2), Some(1))
    };
    let signer = wait_status(&tenancy, "a status that counts all", counts_all).await;
    let status = signer.status.as_ref().unwrap();
    assert_eq!(status.observed_generation, signer.metadata.generation);
    let page = team.operator.page("/metrics");
    assert!(page.contains("presign_denied_objects 1\n"), "{page}");

    // Only its owner is told which Secret it is.
    tenancy.platform_secrets().delete(KEY, &DeleteParams::default()).await.unwrap();
    let is_lost = |status: &SignerStatus| {
        let (status, reason, message) = ready(status);
        let is_named = message.contains(KEY) && message.contains(&tenancy.platform);
        (status, reason) == ("False", "CredentialsNotFound") && is_named
    };
    wait_status(&tenancy, "that the Secret is missing", is_lost).await;
    let store = &team.world.store;
    tenancy.write_key((store.access_key_id(), store.secret_access_key())).await;
    wait_status(&tenancy, "that it can sign again", counts_all).await;
}

#[tokio::test]
async fn a_signer_whose_secret_is_read_slowly_delays_the_statuses_of_no_others() {
    let (space, proxy) = Space::behind_proxy("statuses-slow").await;
    space.operator.stop();
    let slow = json!({"s3": {"credentials": {"secretRef": {"name": "slow-keys"}}}});
    apply_signer_of_namespace(&space, "slow", slow).await;
    let others: Vec<_> = (0..8).map(|number| format!("other-{number}")).collect();
    for name in &others {
        apply_signer_of_namespace(&space, name, json!({})).await;
    }
    let read = proxy.hold(Match::new("GET", "/secrets/slow-keys"));
    let kubeconfig = ("KUBECONFIG", proxy.kubeconfig().to_str().unwrap());
    let variables = [kubeconfig, UNOPPOSED, ("PRESIGN_REQUEST_TIMEOUT", "300")];
    let operator = Operator::start(space.world, &space.namespace, &variables);
    assert!(read.reached(DEADLINE).await, "the Secret is read");
    let has_status = |wanted: &'static str| {
        move |signer: Option<&Signer>| {
            let status = signer?.status.as_ref()?;
            (ready(status).0 == wanted).then_some(())
        }
    };
    for name in &others {
        space.wait_for(DEADLINE, signers_of_namespace(&space), name, "Ready", has_status("True")).await;
    }
    // Nor those of later rounds.
    apply_signer_of_namespace(&space, "later", json!({})).await;
    space.wait_for(DEADLINE, signers_of_namespace(&space), "later", "Ready", has_status("True")).await;
    read.release();
    space.wait_for(DEADLINE, signers_of_namespace(&space), "slow", "a status", has_status("False")).await;
    operator.expect_running();
}
