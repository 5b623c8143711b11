//! What is a reason to sign again, and what waits for the renewal.

use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use crate::harness::{DEADLINE, kept, text};
use crate::session_space::{SessionSpace, version};
use crate::stores::{BASE_KEY, KEYED_ROLE, OTHER_ROLE, ROLE, SECOND_BASE_KEY};
use crate::tenancy::annotation;

/// What a Secret says of the credentials that signed its URL.
fn source(secret: &Secret) -> Option<&str> {
    annotation(secret, "presign.dev/source")
}

#[tokio::test]
async fn another_role_signs_again_at_once() {
    let place = SessionSpace::new("role").await;
    place.issue("report", &place.web_identity(ROLE), json!({})).await;
    let before = place.space.secrets().get("report").await.unwrap();
    assert!(source(&before).is_some());

    place.space.apply("report", place.spec(&place.web_identity(OTHER_ROLE), json!({}))).await;
    let is_other = |secret: &Secret| source(secret).is_some() && source(secret) != source(&before);
    let after = place.space.wait_secret("report", "another source", is_other).await;
    assert_ne!(text(&after, "url"), text(&before, "url"));
    let (asked, session) = place.sessions().pop().unwrap();
    assert_eq!(asked.role, place.arn(OTHER_ROLE));
    assert!(text(&after, "url").contains(&session.id));
    assert_eq!(place.space.download("report").await.unwrap(), "content");
    place.space.wait_ready("report", "True", "Issued").await;
    assert_eq!(place.front.count(None), 2);
}

#[tokio::test]
async fn a_rotated_key_waits_for_the_renewal_of_what_its_sessions_signed() {
    let place = SessionSpace::new("rotated").await;
    let space = &place.space;
    let write = async |(id, secret): (&str, &str)| {
        space.write_secret("base", &[("access-key-id", id), ("secret-access-key", secret)]).await;
    };
    write(BASE_KEY).await;
    let keyed = json!({
        "secretRef": {"name": "base"}, "assumeRole": {"roleARN": place.arn(KEYED_ROLE)},
        "session": {"sts": {"endpoint": place.front.endpoint()}},
    });
    place.issue("report", &keyed, json!({})).await;
    // The key itself signs this one, so that it shows when the operator knows of the rotation.
    place.issue("witness", &json!({"secretRef": {"name": "base"}}), json!({})).await;
    let before = space.secrets().get("report").await.unwrap();
    let page = space.operator.page("/metrics");

    write(SECOND_BASE_KEY).await;
    let is_rotated = |secret: &Secret| text(secret, "url").contains(SECOND_BASE_KEY.0);
    space.wait_secret("witness", "a URL of the rotated key", is_rotated).await;
    space.operator.wait_metrics(DEADLINE, "a look at it", |now| kept(now) > kept(&page)).await;
    let after = space.secrets().get("report").await.unwrap();
    assert_eq!(version(&after), version(&before));
    assert_eq!(place.front.count(None), 1);
    assert_eq!(space.download("report").await.unwrap(), "content");

    let renewed = place.renew("report", "now").await;
    assert_ne!(text(&renewed, "url"), text(&before, "url"));
    let [(first, _), (second, session)] = place.sessions().try_into().unwrap();
    assert_eq!(first.access_key_id.as_deref(), Some(BASE_KEY.0));
    assert_eq!(second.access_key_id.as_deref(), Some(SECOND_BASE_KEY.0));
    assert!(text(&renewed, "url").contains(&session.id));
    assert_eq!(space.download("report").await.unwrap(), "content");
}

#[tokio::test]
async fn a_change_from_a_key_to_sessions_and_back_signs_each_time() {
    let place = SessionSpace::new("switch").await;
    let (space, store) = (&place.space, place.store);
    let key = [("access-key-id", store.access_key_id()), ("secret-access-key", store.secret_access_key())];
    space.write_secret("admin", &key).await;
    let by_key = json!({"secretRef": {"name": "admin"}});
    place.issue("report", &by_key, json!({})).await;
    let is_of_key =
        |secret: &Secret| text(secret, "url").contains(store.access_key_id()) && source(secret).is_none();
    assert!(is_of_key(&space.secrets().get("report").await.unwrap()));

    space.apply("report", place.spec(&place.web_identity(ROLE), json!({}))).await;
    let is_of_session =
        |secret: &Secret| text(secret, "url").contains("X-Amz-Security-Token") && source(secret).is_some();
    space.wait_secret("report", "a URL of a session", is_of_session).await;
    assert_eq!(space.download("report").await.unwrap(), "content");

    space.apply("report", place.spec(&by_key, json!({}))).await;
    space.wait_secret("report", "a URL of the key", is_of_key).await;
    assert_eq!(space.download("report").await.unwrap(), "content");
    space.wait_ready("report", "True", "Issued").await;
    assert_eq!(place.front.count(None), 1);
}
