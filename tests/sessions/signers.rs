//! Signers that sign with sessions: what separates the teams, and who is told what.

use kube::api::{Api, Patch, PatchParams};
use presign_operator::crd::Signer;
use serde_json::{Value, json};

use crate::calls::KEY;
use crate::harness::make_namespace_named;
use crate::harness::{World, write_account};
use crate::session_space::{AGAIN, SessionSpace, connection, message, with};
use crate::shared::SharedSigner;
use crate::stores::{ACCOUNT, ROLE, WITH_ROLES};

#[tokio::test]
async fn the_session_of_a_namespace_reads_nothing_of_another() {
    let mut shared = SharedSigner::new("separate", 2).await;
    let arn = shared.store.role_arn(ROLE);
    shared.apply_signer(&arn, json!({})).await;
    shared.start();
    let teams = shared.teams.clone();
    for team in &teams {
        shared.apply(team, "report").await;
        shared.wait_all(team, "True", "Issued").await;
        assert_eq!(shared.download(team, "report").await, format!("of {team}"));
    }
    for team in &teams {
        let session = shared.session(&format!("presign-{team}"));
        assert_eq!(shared.readable(&session), [team]);
        let list = format!("{}?list-type=2", shared.tenancy.name());
        assert_eq!(session.status(shared.store, &[], &list), 403);
        assert!(shared.url(team, "report").await.contains(&session.id));
    }
    assert_eq!(shared.front.count(None), 2);

    // The same session for all, if the owner of the signer wants that.
    shared.apply_signer(&arn, json!({"session": {"narrowTo": "Nothing"}})).await;
    for team in &teams {
        let signed_again = async {
            while shared.front.count(None) < 3
                || !shared.url(team, "report").await.contains(&wide(&shared).id)
            {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(AGAIN, signed_again).await.expect("a URL of the session for all");
        assert_eq!(shared.download(team, "report").await, format!("of {team}"));
    }
    assert_eq!(shared.readable(&wide(&shared)), teams);
    assert_eq!(shared.front.count(None), 3);
}

/// The session that is not narrowed, which has the name of the signer.
fn wide(shared: &SharedSigner) -> crate::calls::StolenSession {
    shared.session(&format!("presign.signer.{}", shared.tenancy.name()))
}

#[tokio::test]
async fn each_namespace_can_bring_its_account_and_its_role() {
    let client = World::get().await.client().await;
    for name in WITH_ROLES {
        make_namespace_named(&client, name).await;
    }
    let mut shared = SharedSigner::of("requester", WITH_ROLES.map(str::to_owned).to_vec()).await;
    let [first, second] = WITH_ROLES;
    let requester = json!({"webIdentity": {"serviceAccountRef": {"from": "Requester"}}});
    shared.apply_signer(&shared.store.role_arn("urls-{namespace}"), requester).await;
    write_account(&client, first, ACCOUNT, Some(&shared.store.role_arn("urls-with-role-a"))).await.unwrap();
    // It permits only the role of the other namespace.
    write_account(&client, second, ACCOUNT, Some(&shared.store.role_arn("urls-with-role-a"))).await.unwrap();
    shared.start();
    for team in WITH_ROLES {
        shared.apply(team, "report").await;
    }
    shared.wait_all(first, "True", "Issued").await;
    assert_eq!(shared.download(first, "report").await, "of with-role-a");
    // The account is its own, so that it is told what to change.
    let objects = shared.wait_all(second, "False", "CredentialsDenied").await;
    let said = message(&objects[0]);
    assert!(said.contains("urls-with-role-b") && said.contains("presign.dev/role-arns"), "{said}");

    write_account(&client, second, ACCOUNT, Some(&shared.store.role_arn("urls-with-role-b"))).await.unwrap();
    shared.wait_all(second, "True", "Issued").await;
    assert_eq!(shared.download(second, "report").await, "of with-role-b");
    for team in WITH_ROLES {
        assert_eq!(shared.readable(&shared.session(&format!("presign-{team}"))), [team]);
        assert_eq!(shared.front.count(Some(&shared.store.role_arn(&format!("urls-{team}")))), 1);
    }
    assert_eq!(shared.front.count(None), 2);
}

#[tokio::test]
async fn a_user_of_a_cluster_signer_sees_nothing_of_its_role() {
    let mut shared = SharedSigner::new("untold", 1).await;
    let (team, platform) = (shared.teams[0].clone(), shared.tenancy.platform.clone());
    let arn = shared.store.role_arn("role-of-the-platform");
    shared.apply_signer(&arn, json!({})).await;
    shared.start();
    shared.apply(&team, "report").await;
    let assert_untold = |said: &str| {
        assert!(said.contains("its status says why") && said.contains("ClusterSigner"), "{said}");
        for hidden in ["arn:", "role-of-the-platform", "AccessDenied", ACCOUNT, &platform] {
            assert!(!said.contains(hidden), "{hidden}: {said}");
        }
    };
    // The STS refuses it.
    let objects = shared.wait_all(&team, "False", "CredentialsDenied").await;
    assert_untold(message(&objects[0]));
    assert!(shared.front.count(None) > 0);
    // The operator does not permit the audience.
    let audience = json!({"webIdentity": {"audience": "not-permitted"}});
    shared.apply_signer(&arn, audience).await;
    let objects = shared.wait_all(&team, "False", "NotPermitted").await;
    assert_untold(message(&objects[0]));
    // The ServiceAccount is missing.
    let account = json!({"webIdentity": {"serviceAccountRef": {"name": "urls-missing"}}});
    shared.apply_signer(&arn, account).await;
    let objects = shared.wait_all(&team, "False", "CredentialsNotFound").await;
    assert_untold(message(&objects[0]));

    let mut kubectl = shared.tenancy.team.world.plane.kubectl();
    let events = kubectl.args(["-n", &team, "get", "events", "-o", "yaml"]).output().unwrap();
    let events = String::from_utf8(events.stdout).unwrap();
    assert!(events.contains("CredentialsDenied"), "{events}");
    assert!(!events.contains("arn:") && !events.contains(&platform), "{events}");
}

/// Applies the `Signer` of a place, with `changes` on top of its credentials.
async fn apply_signer(place: &SessionSpace, changes: Value) {
    let credentials = with(place.web_identity(ROLE), changes);
    let body = json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "Signer", "metadata": {"name": "signer"},
        "spec": {"s3": connection(place.store, &credentials)},
    });
    let params = PatchParams::apply("platform").force();
    signers(place).patch("signer", &params, &Patch::Apply(body)).await.unwrap();
}

fn signers(place: &SessionSpace) -> Api<Signer> {
    Api::namespaced(place.space.client.clone(), &place.space.namespace)
}

/// Waits until the condition Ready of the signer has this status, and a message with all of this.
async fn wait_signer(place: &SessionSpace, status: &str, parts: &[&str]) {
    let select = |signer: Option<&Signer>| {
        let conditions = &signer?.status.as_ref()?.conditions;
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
        let is_said = parts.iter().all(|part| ready.message.contains(part));
        (ready.status == status && is_said).then_some(())
    };
    place.space.wait_for(AGAIN, signers(place), "signer", &format!("{status} {parts:?}"), select).await;
}

#[tokio::test]
async fn the_status_of_a_signer_says_what_the_sts_answered() {
    let place = SessionSpace::new("status").await;
    place.write_account("stranger", Some("*")).await;
    apply_signer(&place, json!({"webIdentity": {"serviceAccountRef": {"name": "stranger"}}})).await;
    let spec = json!({"bucket": place.space.namespace, "key": KEY, "signerRef": {"name": "signer"}});
    place.space.apply("report", spec).await;
    let object = place.space.wait_ready("report", "False", "CredentialsDenied").await;
    let said = message(&object);
    assert!(said.contains("its status says why") && !said.contains("AccessDenied"), "{said}");
    let subject = format!("system:serviceaccount:{}:stranger", place.space.namespace);
    wait_signer(&place, "False", &["AccessDenied", &subject, "trust policy"]).await;

    apply_signer(&place, json!({})).await;
    place.wait_again("report", "True", "Issued").await;
    wait_signer(&place, "True", &[]).await;
    assert_eq!(place.space.download("report").await.unwrap(), "content");
    // Audit logs name the namespace, and not the signer.
    let [(asked, _)] = place.sessions().try_into().unwrap();
    assert_eq!(asked.session_name, format!("presign-{}", place.space.namespace));
}
