//! A permission that is taken away with `whenDenied: Withdraw`: no Secret that the operator wrote keeps
//! its URL.

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::{message, stalled, uid};
use crate::harness::DEADLINE;
use crate::tenancy::{Tenancy, is_emptied, is_filled, permitted};

/// The Secrets of the stories, by the names of their objects; the last is of an earlier name.
const SECRETS: [&str; 5] = ["plain", "suspended", "retained", "new", "old"];

/// A URL in every kind of Secret that there is.
async fn issue_all(tenancy: &Tenancy) -> Vec<Secret> {
    let team = &tenancy.team;
    tenancy.issue("plain", json!({})).await;
    tenancy.issue("suspended", json!({})).await;
    team.apply("suspended", tenancy.spec(json!({"suspend": true}))).await;
    team.wait_ready("suspended", "True", "Suspended").await;
    tenancy.issue("retained", json!({"secret": {"deletionPolicy": "Retain"}})).await;
    tenancy.issue("renamed", json!({"secret": {"name": "old"}})).await;
    tenancy.issue("renamed", json!({"secret": {"name": "new"}})).await;
    let mut secrets = Vec::new();
    for name in SECRETS {
        let secret = team.secrets().get(name).await.unwrap();
        assert!(is_filled(&secret), "{name}");
        secrets.push(secret);
    }
    secrets
}

#[tokio::test]
async fn a_withdrawal_empties_every_secret_at_once_and_keeps_them_all() {
    let tenancy = Tenancy::new("withdraw").await;
    let team = &tenancy.team;
    tenancy.apply_signer(json!({})).await;
    let before = issue_all(&tenancy).await;

    tenancy.apply_signer(tenancy.denial(json!({"whenDenied": "Withdraw"}))).await;
    for (name, before) in SECRETS.into_iter().zip(&before) {
        let is_so = |secret: &Secret| is_emptied(secret, "Denied");
        let emptied = team.wait_secret(name, "no URL", is_so).await;
        assert_eq!(uid(&emptied), uid(before), "{name}: the Secret stays, since pods mount it");
    }
    for name in ["plain", "suspended", "retained", "renamed"] {
        let object = team.wait_ready(name, "False", "NotPermitted").await;
        assert_eq!(stalled(&object), Some("NotPermitted"), "{name}");
        assert_eq!(permitted(&object).unwrap().0, "False", "{name}");
        assert!(!message(&object).contains("works until"), "{name}: {}", message(&object));
    }

    tenancy.apply_signer(json!({})).await;
    for (name, secret, before) in
        [("plain", "plain", &before[0]), ("retained", "retained", &before[2]), ("renamed", "new", &before[3])]
    {
        team.wait_ready(name, "True", "Issued").await;
        let again = team.wait_secret(secret, "a URL and no mark of its end", is_filled).await;
        assert_eq!(uid(&again), uid(before), "{name}");
        assert_eq!(team.download(secret).await.unwrap(), "content", "{name}");
    }
    // The Secret of an earlier name has no URL that a pod could still use.
    let is_gone = |secret: Option<&Secret>| secret.is_none().then_some(());
    team.wait_for(DEADLINE, team.secrets(), "old", "its end", is_gone).await;
    // A permission does not resume what a person has suspended.
    team.wait_ready("suspended", "False", "Suspended").await;
    assert!(is_emptied(&team.secrets().get("suspended").await.unwrap(), "Denied"));
    tenancy.issue("suspended", json!({"suspend": null})).await;
    assert_eq!(team.download("suspended").await.unwrap(), "content");
}

#[tokio::test]
async fn a_namespace_that_is_no_longer_allowed_loses_its_url() {
    let tenancy = Tenancy::new("unlisted").await;
    let team = &tenancy.team;
    let for_names = |names: &[&str]| -> Value {
        let mut changes = tenancy.policy(json!({}), json!({"whenDenied": "Withdraw"}));
        changes["allowedNamespaces"] = json!({"from": "Names", "names": names});
        changes
    };
    tenancy.apply_signer(for_names(&[tenancy.name()])).await;
    tenancy.issue("report", json!({})).await;
    let before = team.secrets().get("report").await.unwrap();

    tenancy.apply_signer(for_names(&["somebody-else"])).await;
    let emptied = team.wait_secret("report", "no URL", |secret| is_emptied(secret, "Denied")).await;
    assert_eq!(uid(&emptied), uid(&before));
    let object = team.wait_ready("report", "False", "SignerNotFound").await;
    assert!(message(&object).contains("does not allow this namespace"), "{}", message(&object));
    assert_eq!(permitted(&object), None, "the rules are not for this namespace to know");

    tenancy.apply_signer(for_names(&[tenancy.name()])).await;
    team.wait_ready("report", "True", "Issued").await;
    team.wait_secret("report", "a URL and no mark of its end", is_filled).await;
    assert_eq!(team.download("report").await.unwrap(), "content");
}
