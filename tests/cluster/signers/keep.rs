//! A permission that is taken away with `whenDenied: Keep`, the default: a typo must not be an outage.

use presign_operator::runtime::Clock;
use serde_json::json;

use super::{A_LIFETIME, message, stalled, uid};
use crate::harness::text;
use crate::tenancy::{Tenancy, is_emptied, is_filled, permitted};

#[tokio::test]
async fn a_denied_url_stays_until_it_expires_and_is_emptied_then() {
    let tenancy = Tenancy::new("keep").await;
    let team = &tenancy.team;
    tenancy.apply_signer(json!({})).await;
    tenancy.issue("long", json!({})).await;
    tenancy.issue("short", json!({"expiresIn": "1m"})).await;
    let long = team.secrets().get("long").await.unwrap();
    let short = team.secrets().get("short").await.unwrap();

    tenancy.apply_signer(tenancy.denial(json!({}))).await;
    for name in ["long", "short"] {
        let object = team.wait_ready(name, "False", "NotPermitted").await;
        assert_eq!(stalled(&object), Some("NotPermitted"), "{name}");
        let (status, reason, _) = permitted(&object).unwrap();
        assert_eq!((status, reason), ("False", "NotPermitted"), "{name}");
        assert!(message(&object).contains("is not renewed"), "{name}: {}", message(&object));
    }
    assert_eq!(team.data("long", "url").await, text(&long, "url"));
    assert_eq!(team.download("long").await.unwrap(), "content");

    let emptied = team
        .wait_for(A_LIFETIME, team.secrets(), "short", "its end", |secret| {
            secret.filter(|secret| is_emptied(secret, "Denied")).cloned()
        })
        .await;
    let expires: jiff::Timestamp = text(&short, "expires-at").parse().unwrap();
    assert!(Clock::system().now() >= expires, "it was emptied before its URL expired");
    assert_eq!(uid(&emptied), uid(&short), "the Secret stays, since pods mount it");
    assert_eq!(team.data("long", "url").await, text(&long, "url"), "that one has an hour");

    tenancy.apply_signer(json!({})).await;
    for name in ["long", "short"] {
        let object = team.wait_ready(name, "True", "Issued").await;
        assert_eq!(stalled(&object), None, "{name}");
        assert_eq!(permitted(&object).unwrap().0, "True", "{name}");
        assert_eq!(team.download(name).await.unwrap(), "content", "{name}");
    }
    let again = team.wait_secret("short", "a URL and no mark of its end", is_filled).await;
    assert_ne!(text(&again, "url"), text(&short, "url"));
    assert_eq!(uid(&again), uid(&short));
    assert_eq!(team.data("long", "url").await, text(&long, "url"), "nothing is minted for it");
}
