//! A signer that signs with sessions: the replica that is asked gets them, whether it leads or not.

use std::sync::Arc;

use serde_json::json;
use testbed::{Role, SessionStore, StsFront};

use crate::harness::{PERMITTED_STS, World, everything, hide_sessions, write_account};
use crate::stage::{SigningSetup, apply, download};

/// The ServiceAccount of the signer, which is not that of the pods.
const OF_SIGNER: &str = "urls";
const ROLE: &str = "all";

#[tokio::test]
async fn a_session_is_waited_for_and_shared_and_a_standby_gets_its_own() {
    let world = World::get().await;
    let store = tokio::task::spawn_blocking(|| {
        let role = Role::new(ROLE, everything()).service_account("*", OF_SIGNER);
        SessionStore::builder().issuer(&world.plane).unwrap().role(role).start().unwrap()
    });
    let store: &'static SessionStore = Box::leak(Box::new(store.await.unwrap()));
    let front = Arc::new(StsFront::start(store.endpoint()).unwrap());
    let stage = SigningSetup::with("csi-sessions", &[PERMITTED_STS]).await;
    let (team, client) = (stage.tenancy.name(), stage.team().client.clone());
    hide_sessions(team, front.clone());
    store.create_bucket(team).unwrap();
    store.put_object(team, "a", b"by a session").unwrap();
    write_account(&client, team, OF_SIGNER, Some("*")).await.unwrap();
    let credentials = json!({
        "webIdentity": {"serviceAccountRef": {"name": OF_SIGNER}, "roleARN": store.role_arn(ROLE)},
        "session": {"sts": {"endpoint": front.endpoint()}},
    });
    let signer = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "Signer", "metadata": {"name": "sessions"},
        "spec": {"s3": {"endpoint": store.endpoint(), "region": store.region(), "credentials": credentials}},
    });
    let signers = kube::Api::<presign_operator::crd::Signer>::namespaced(client.clone(), team);
    apply(&signers, "sessions", signer).await;
    stage.allow_own_signers().await;

    let token = stage.token_of_pod("web").await;
    let wanted = json!({"key": "a", "signerRef": {"kind": "Signer", "name": "sessions"}});
    let answer = stage.ask_until(&token, 200, wanted.clone()).await;
    assert_eq!(download(answer.file("url")), "by a session");
    let answer = stage.ask(Some(&token), wanted.clone());
    assert_eq!((answer.status, front.count(None)), (200, 1), "the session is at hand: {answer:?}");

    let standby = stage.standby_with(&[PERMITTED_STS]);
    let body = json!({"urls": {"": stage.spec(wanted)}, "longerThan": null, "seed": 7}).to_string();
    let answer = stage.first_answer_of(&standby, &token, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(standby.page("/metrics").contains("presign_leader 0\n"), "it does not lead");
    assert_eq!(download(answer.file("url")), "by a session");
    assert_eq!(front.count(None), 2);
}
