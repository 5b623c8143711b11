//! The operator's own identity, which assumes the role of a `ClusterSigner`.

use serde_json::{Value, json};
use testbed::SessionStore;

use crate::shared::SharedSigner;
use crate::stores::{ACCOUNT, CHAINED_ROLE, ROLE};

/// A token of the `ServiceAccount` that is the operator's here, as the kubelet writes it to the file of IRSA.
fn token(shared: &SharedSigner) -> String {
    let mut kubectl = shared.tenancy.team.world.plane.kubectl();
    let audience = format!("--audience={}", SessionStore::AUDIENCE);
    let output = kubectl
        .args(["-n", &shared.tenancy.platform, "create", "token", ACCOUNT, &audience])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_role_is_assumed_with_the_identity_of_the_operator_for_each_namespace() {
    let mut shared = SharedSigner::new("ambient", 2).await;
    let chained = shared.store.role_arn(CHAINED_ROLE);
    let credentials = json!({
        "webIdentity": Value::Null, "ambient": {}, "assumeRole": {"roleARN": chained},
        "session": {"narrowTo": "Namespace"},
    });
    shared.apply_signer(&chained, credentials).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, token(&shared)).unwrap();
    let (role, sts) = (shared.store.role_arn(ROLE), shared.front.endpoint());
    shared.start_with(&[
        ("PRESIGN_AMBIENT_CREDENTIALS", "true"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ("AWS_ROLE_ARN", &role),
        ("AWS_REGION", shared.store.region()),
        ("AWS_ENDPOINT_URL_STS", &sts),
    ]);
    for team in &shared.teams {
        for name in ["one", "two"] {
            shared.apply(team, name).await;
        }
    }
    for team in &shared.teams {
        shared.wait_all(team, "True", "Issued").await;
        assert_eq!(shared.download(team, "one").await, format!("of {team}"));
        assert_eq!(shared.readable(&shared.session(&format!("presign-{team}"))), [team]);
    }
    let (own, assumed): (Vec<_>, Vec<_>) = crate::session_space::sessions(&shared.front)
        .into_iter()
        .partition(|(asked, _)| asked.action == "AssumeRoleWithWebIdentity");
    assert_eq!((own.len(), assumed.len()), (1, 2));
    let (asked, identity) = &own[0];
    assert_eq!(asked.role, role);
    for (asked, _) in assumed {
        assert_eq!((asked.action.as_str(), &asked.role), ("AssumeRole", &chained));
        assert_eq!(asked.access_key_id.as_ref(), Some(&identity.id));
    }
}
