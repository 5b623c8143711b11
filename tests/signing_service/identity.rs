//! Who is served: pods that run, whose ServiceAccount may use the signer.

use serde_json::json;

use crate::stage::{AUDIENCE, SigningSetup};

#[tokio::test]
async fn only_the_token_of_a_pod_that_runs_counts() {
    let stage = SigningSetup::new("csi-tokens").await;
    let pod = stage.pod("web").await;
    let token = stage.token(AUDIENCE, Some(&pod)).await;
    stage.ask_until(&token, 200, json!({})).await;
    let other_audience = stage.token("sts.amazonaws.com", Some(&pod)).await;
    let without_pod = stage.token(AUDIENCE, None).await;
    let (head, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.AAAA");
    for (token, said) in [
        (None, "send the token of the pod"),
        (Some("garbage"), "does not accept the token"),
        (Some(forged.as_str()), "does not accept the token"),
        (Some(other_audience.as_str()), "does not accept the token"),
        (Some(without_pod.as_str()), "which pod it belongs to"),
    ] {
        let answer = stage.ask(token, json!({}));
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.message().contains(said), "{answer:?}");
        assert_eq!(answer.body["isTemporary"], false);
    }
    let unused = stage.token(AUDIENCE, Some(&pod)).await;
    stage.delete_pod("web").await;
    // The API server and the operator each remember a verdict for some seconds.
    stage.ask_until(&token, 401, json!({})).await;
    // One of the same name is another pod. Nobody has a verdict about a token that was never sent.
    let same_name = stage.token_of_pod("web").await;
    stage.ask_until(&same_name, 200, json!({})).await;
    assert_eq!(stage.ask(Some(&unused), json!({})).status, 401);
}

#[tokio::test]
async fn the_service_account_needs_the_right_to_use_the_signer() {
    let stage = SigningSetup::without_use("csi-use").await;
    let token = stage.token_of_pod("web").await;
    let refused = stage.ask_until(&token, 403, json!({})).await;
    let name = stage.tenancy.name();
    let expected = format!("grant it the verb use on clustersigners.presign.dev {name:?}");
    assert!(refused.message().contains(&expected), "{refused:?}");
    // The operator repeats a refusal for some seconds, so another token asks whether other verbs suffice.
    let second = stage.token_of_pod("second").await;
    stage.allow_use(&["get", "list", "watch"]).await;
    stage.wait_allowed("get").await;
    assert_eq!(stage.ask(Some(&second), json!({})).status, 403);
    stage.allow_use(&["use"]).await;
    stage.ask_until(&token, 200, json!({})).await;
    stage.allow_use(&["get"]).await;
    stage.ask_until(&token, 403, json!({})).await;
    // A Signer is asked for in the namespace of the pod, whatever the ClusterRole says.
    let own = stage.ask(Some(&token), json!({"signerRef": {"kind": "Signer"}}));
    assert_eq!(own.status, 403);
    assert!(own.message().contains("signers.presign.dev") && own.message().contains("a Role"), "{own:?}");
}
