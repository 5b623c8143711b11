//! A policy that is only audited: what it lifts, and what it does not.

use serde_json::json;

use super::{message, stalled};
use crate::harness::curl;
use crate::tenancy::{Tenancy, permitted};

#[tokio::test]
async fn an_audit_signs_what_the_rules_deny_and_says_so() {
    let tenancy = Tenancy::new("audit").await;
    let team = &tenancy.team;
    tenancy.apply_signer(tenancy.denial(json!({"enforcement": "Audit"}))).await;
    let object = tenancy.issue("report", json!({})).await;
    let (status, reason, why) = permitted(&object).unwrap();
    assert_eq!((status, reason), ("False", "NotPermitted"));
    assert!(why.contains("would deny it") && why.contains("elsewhere/"), "{why}");
    assert_eq!(stalled(&object), None);
    assert_eq!(team.download("report").await.unwrap(), "content");

    // What was audited is denied as soon as the policy is enforced.
    let url = team.data("report", "url").await;
    tenancy.apply_signer(tenancy.denial(json!({}))).await;
    let object = team.wait_ready("report", "False", "NotPermitted").await;
    let (_, _, why) = permitted(&object).unwrap();
    assert!(why.contains("denies it"), "{why}");
    assert_eq!(curl(&[&url]).unwrap(), "content", "a URL that was issued cannot be called back");
}

#[tokio::test]
async fn an_audit_lifts_neither_safety_nor_namespaces() {
    let tenancy = Tenancy::new("audit-safety").await;
    let team = &tenancy.team;
    let audited = || tenancy.denial(json!({"enforcement": "Audit"}));
    let mut changes = audited();
    changes["writeOnlyKey"] = json!(true);
    tenancy.apply_signer(changes).await;
    let others = format!("{}-others", tenancy.name());
    let mut changes = audited();
    changes["allowedNamespaces"] = json!({"from": "Names", "names": ["somebody-else"]});
    tenancy.try_apply_signer(&others, tenancy.signer_spec(changes)).await.unwrap();
    // The signer works.
    tenancy.issue("control", json!({})).await;

    let empty_segment = format!("tenants/{}//report.txt", tenancy.name());
    let copy = json!({"x-amz-copy-source": "somewhere/else"});
    for (name, changes, reason, said) in [
        ("unsafe", json!({"key": empty_segment}), "NotPermitted", "some stores take such a key for another"),
        ("harmful", json!({"method": "PUT", "headers": copy}), "NotPermitted", "x-amz-copy-source is not"),
        (
            "unserved",
            json!({"signerRef": {"name": others}}),
            "SignerNotFound",
            "does not allow this namespace",
        ),
    ] {
        team.apply(name, tenancy.spec(changes)).await;
        let object = team.wait_ready(name, "False", reason).await;
        assert!(message(&object).contains(said), "{name}: {}", message(&object));
        let is_stalled = stalled(&object).is_some();
        assert_eq!(is_stalled, reason == "NotPermitted", "{name}: nothing changes until a person acts");
        assert!(team.secrets().get_opt(name).await.unwrap().is_none(), "{name}: nothing is written");
    }
}
