//! Who gets no session, and what they are told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::{SessionStore, StsFault};

use crate::harness::{World, condition};
use crate::session_space::{AGAIN, SessionSpace, message, with};
use crate::stores::{self, ACCOUNT, ROLE};

/// An audience that the operators permit and no STS accepts.
const ELSEWHERE: &str = "https://elsewhere.example";

/// A place whose operator permits further audiences.
async fn with_audiences(story: &str, audiences: &[&str]) -> SessionSpace {
    let audiences = [&[SessionStore::AUDIENCE], audiences].concat().join(",");
    SessionSpace::with(story, stores::usual().await, &[("PRESIGN_TOKEN_AUDIENCES", &audiences)]).await
}

/// Applies an object that gets no URL, and returns the message.
pub async fn refused(place: &SessionSpace, name: &str, credentials: &Value, reason: &str) -> String {
    let space = &place.space;
    space.apply(name, place.spec(credentials, json!({}))).await;
    let object = space.wait_ready(name, "False", reason).await;
    let is_stalled = condition(&object, "Stalled").is_some();
    assert_eq!(is_stalled, reason == "NotPermitted", "{name}: only a person can change that");
    space.wait_event(name, &format!("Warning {reason}")).await;
    assert!(space.secrets().get_opt(name).await.unwrap().is_none(), "{name}: nothing is written");
    message(&object).to_owned()
}

/// Fails unless a message has all of these parts.
pub fn assert_says(message: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(message.contains(part), "no {part:?}: {message}");
    }
}

#[tokio::test]
async fn the_sts_refuses_and_the_message_says_whom_and_why() {
    let place = with_audiences("denied", &[ELSEWHERE]).await;
    place.write_account("stranger", Some("*")).await;
    let stranger = json!({"webIdentity": {"serviceAccountRef": {"name": "stranger"}}});
    let stranger = with(place.web_identity(ROLE), stranger);
    let said = refused(&place, "stranger", &stranger, "CredentialsDenied").await;
    let subject = format!("subject system:serviceaccount:{}:stranger", place.space.namespace);
    assert_says(&said, &["(AccessDenied)", "trust policy", &subject, "audience sts.amazonaws.com"]);

    let elsewhere = with(place.web_identity(ROLE), json!({"webIdentity": {"audience": ELSEWHERE}}));
    let said = refused(&place, "elsewhere", &elsewhere, "CredentialsDenied").await;
    let subject = format!("subject system:serviceaccount:{}:{ACCOUNT}", place.space.namespace);
    assert_says(&said, &["(InvalidParameterValue)", &subject, &format!("audience {ELSEWHERE}")]);

    let missing = refused(&place, "missing", &place.web_identity("missing"), "CredentialsDenied").await;
    assert_says(&missing, &["(AccessDenied)", "check that the role exists"]);
    assert_eq!(place.sessions().len(), 0);
    // The same place, with a role and an account that belong together.
    place.issue("control", &place.web_identity(ROLE), json!({})).await;
}

#[tokio::test]
async fn a_role_that_permits_less_time_is_refused_with_what_to_check() {
    let place = SessionSpace::new("too-long").await;
    // This is what AWS answers. The store here shortens the session instead.
    place.front.fault(StsFault::Refuse { status: 400, code: "ValidationError" });
    let long = with(place.web_identity(ROLE), json!({"session": {"duration": "4h"}}));
    let said = refused(&place, "long", &long, "CredentialsDenied").await;
    assert_says(&said, &["(ValidationError)", "maximum session duration of the role"]);
    assert_eq!(place.sessions().len(), 0);
    place.front.heal();
    place.wait_again("long", "True", "Issued").await;
    let [(asked, _)] = place.sessions().try_into().unwrap();
    assert_eq!(asked.duration.as_deref(), Some("14400"));
}

#[tokio::test]
async fn no_token_leaves_for_an_audience_or_an_sts_that_is_not_permitted() {
    let place = SessionSpace::new("permitted").await;
    let audience = with(place.web_identity(ROLE), json!({"webIdentity": {"audience": ELSEWHERE}}));
    let said = refused(&place, "audience", &audience, "NotPermitted").await;
    assert_says(&said, &["webIdentity.audience", ELSEWHERE, "--token-audiences"]);

    // The same server by a name that is not in the list.
    let host = place.front.endpoint().replace("127.0.0.1", "localhost");
    let host = with(place.web_identity(ROLE), json!({"session": {"sts": {"endpoint": host}}}));
    let said = refused(&place, "host", &host, "NotPermitted").await;
    assert_says(&said, &["session.sts.endpoint", "localhost", "--sts-endpoints"]);
    assert_eq!(place.front.count(None), 0);
    place.issue("control", &place.web_identity(ROLE), json!({})).await;
    assert_eq!(place.front.count(None), 1);
}

#[tokio::test]
async fn a_token_that_the_api_server_accepts_is_sent_to_no_sts() {
    let world = World::get().await;
    let issuer = format!("{}/", world.plane.url());
    let place = with_audiences("own-audience", &[&issuer]).await;
    let own = with(place.web_identity(ROLE), json!({"webIdentity": {"audience": issuer}}));
    let said = refused(&place, "own", &own, "CredentialsDenied").await;
    assert_says(&said, &["the API server accepts tokens", &issuer, "another audience"]);
    assert_eq!(place.front.count(None), 0);
    place.issue("control", &place.web_identity(ROLE), json!({})).await;
    assert_eq!(place.front.count(None), 1);
}

#[tokio::test]
async fn an_account_that_is_missing_or_does_not_consent_is_named_until_it_is_there_and_does() {
    let place = SessionSpace::new("consent").await;
    let of = |name: &str| {
        with(place.web_identity(ROLE), json!({"webIdentity": {"serviceAccountRef": {"name": name}}}))
    };
    place.write_account(ACCOUNT, None).await;
    let said = refused(&place, "silent", &of(ACCOUNT), "CredentialsDenied").await;
    assert_says(&said, &[&format!("{ACCOUNT:?}"), &place.arn(ROLE), "presign.dev/role-arns"]);
    let said = refused(&place, "missing", &of("later"), "CredentialsNotFound").await;
    assert_says(&said, &["\"later\"", "does not exist", "serviceAccountRef.name"]);
    place.write_account("partial", Some("arn:aws:iam::000000000000:role/al")).await;
    refused(&place, "partial", &of("partial"), "CredentialsDenied").await;
    assert_eq!(place.front.count(None), 0);

    place.write_account(ACCOUNT, Some(&place.arn(ROLE))).await;
    place.write_account("later", None).await;
    place.wait_again("silent", "True", "Issued").await;
    assert_eq!(place.space.download("silent").await.unwrap(), "content");
    place.wait_again("missing", "False", "CredentialsDenied").await;
}

#[tokio::test]
async fn an_account_that_was_created_again_does_not_use_the_session_of_the_first() {
    let place = SessionSpace::new("recreated").await;
    place.issue("report", &place.web_identity(ROLE), json!({})).await;
    place.renew("report", "before").await;
    assert_eq!(place.front.count(None), 1, "the same session");
    place.delete_account(ACCOUNT).await;
    place.write_account(ACCOUNT, Some("*")).await;
    // As soon as the operator reads it again.
    let begun = Instant::now();
    let mut renewals = 0;
    while place.front.count(None) == 1 {
        assert!(begun.elapsed() < AGAIN, "the old session is used after {renewals} renewals");
        renewals += 1;
        place.renew("report", &format!("again-{renewals}")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let [(_, first), (_, second)] = place.sessions().try_into().unwrap();
    assert_ne!(first.id, second.id);
    place.renew("report", "last").await;
    assert_eq!(place.session_of("report").await.id, second.id);
    assert_eq!(place.space.download("report").await.unwrap(), "content");
}
