//! What the policy of the signer says, as for a `PresignedUrl`.

use jiff::Timestamp;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::stage::{SigningSetup, download};

#[tokio::test]
async fn the_policy_is_judged_as_for_a_presigned_url() {
    let stage = SigningSetup::new("csi-policy").await;
    let token = stage.token_of_pod("web").await;
    stage.ask_until(&token, 200, json!({})).await;
    let own = format!("tenants/{}/", stage.tenancy.name());
    for (changes, status, reason, said) in [
        (json!({"key": "tenants/other/a"}), 403, "NotPermitted", "volumeAttributes.key"),
        (json!({"bucket": "other"}), 403, "NotPermitted", "volumeAttributes.bucket"),
        (json!({"method": "PUT"}), 403, "NotPermitted", "volumeAttributes.method"),
        (json!({"key": format!("{own}/a")}), 403, "NotPermitted", "with a signer"),
        (json!({"key": format!("{own}../a")}), 400, "InvalidAttributes", "'..'"),
        (json!({"expiresIn": "4m"}), 400, "InvalidAttributes", "at least 5m"),
        (json!({"secret": {"name": "a"}}), 400, "InvalidAttributes", "has no effect"),
        (json!({"signerRef": {"name": "absent"}}), 403, "NotPermitted", "may not use"),
    ] {
        let answer = stage.ask(Some(&token), changes.clone());
        assert_eq!(answer.status, status, "{changes}: {answer:?}");
        assert_eq!(answer.body["reason"], reason, "{changes}: {answer:?}");
        assert!(answer.message().contains(said), "{changes}: {answer:?}");
    }

    stage.tenancy.apply_signer(stage.tenancy.policy(json!({"maxExpiresIn": "30m"}), json!({}))).await;
    let lifetime = |body: &Value| {
        let time = |name: &str| body[name].as_str().unwrap().parse::<Timestamp>().unwrap().as_second();
        time("expirationTime") - time("signingTime")
    };
    let capped = async || {
        let answer = stage.ask_until(&token, 200, json!({})).await;
        Some(answer).filter(|answer| lifetime(&answer.body) == 1800)
    };
    let answer = testbed::answered(crate::harness::DEADLINE, capped).await.expect("the cap counts");
    assert_eq!(download(answer.file("url")), "content");

    let by_name = json!({"maxExpiresIn": null, "keyPrefixes": ["tenants/{namespace}/{name}/"]});
    stage.tenancy.apply_signer(stage.tenancy.policy(by_name, json!({}))).await;
    let denied = stage.ask_until(&token, 403, json!({})).await;
    assert!(denied.message().contains("cannot be used without a name"), "{denied:?}");

    // Whether it is missing or for others is not told.
    let for_others = json!({"allowedNamespaces": {"from": "Names", "names": ["other"]}});
    stage.tenancy.apply_signer(for_others).await;
    let unserved = stage.ask_until(&token, 404, json!({})).await;
    let name = stage.tenancy.name();
    stage.tenancy.signers().delete(name, &DeleteParams::default()).await.unwrap();
    // Whoever knows a later one knows that this one is gone.
    let later = format!("{name}-later");
    stage.tenancy.try_apply_signer(&later, stage.tenancy.signer_spec(json!({}))).await.unwrap();
    stage.tenancy.issue("later", json!({"signerRef": {"name": later}})).await;
    let missing = stage.ask(Some(&token), json!({}));
    assert_eq!(missing.status, 404, "{missing:?}");
    assert_eq!(unserved.message(), missing.message());
}
