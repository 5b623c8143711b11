//! A `ServiceAccount` that changes or goes after the operator has read it.

use std::time::{Duration, Instant};

use serde_json::json;
use testbed::{Match, Proxy, SessionStore};

use crate::harness::{DEADLINE, PERMITTED_STS, Space, World};
use crate::refusals::{assert_says, refused};
use crate::session_space::{AGAIN, SessionSpace, message, with};
use crate::stores::{self, ACCOUNT, ROLE};

/// A place whose operator reaches the API server through a proxy, and permits one audience.
async fn behind_proxy(story: &str, audience: &str) -> (SessionSpace, Proxy) {
    let environment = [PERMITTED_STS, ("PRESIGN_TOKEN_AUDIENCES", audience)];
    let (space, proxy) = Space::behind_proxy_with(story, &environment).await;
    (SessionSpace::of(space, stores::usual().await).await, proxy)
}

#[tokio::test]
async fn a_token_that_ended_meanwhile_proves_nothing_about_its_audience() {
    let issuer = format!("{}/", World::get().await.plane.url());
    let (place, proxy) = behind_proxy("ended-token", &issuer).await;
    let review = proxy.hold(Match::new("POST", "/tokenreviews"));
    let own = with(place.web_identity(ROLE), json!({"webIdentity": {"audience": issuer}}));
    place.space.apply("own", place.spec(&own, json!({}))).await;
    assert!(review.reached(DEADLINE).await);
    // Now the API server does not accept the token, whatever its audience.
    place.delete_account(ACCOUNT).await;
    review.release();
    place.wait_again("own", "False", "CredentialsNotFound").await;
    assert_eq!(place.front.count(None), 0);

    place.write_account(ACCOUNT, Some("*")).await;
    let object = place.wait_again("own", "False", "CredentialsDenied").await;
    assert_says(message(&object), &["the API server accepts tokens", &issuer]);
    assert_eq!(place.front.count(None), 0);
}

#[tokio::test]
async fn an_account_is_read_again_before_a_token_of_it_is_requested() {
    let place = SessionSpace::new("withdrawn").await;
    // Another duration needs another session.
    let lasting = |duration: &str| with(place.web_identity(ROLE), json!({"session": {"duration": duration}}));
    place.issue("first", &lasting("1h"), json!({})).await;
    place.write_account(ACCOUNT, None).await;
    let said = refused(&place, "second", &lasting("2h"), "CredentialsDenied").await;
    assert_says(&said, &[&format!("{ACCOUNT:?}"), &place.arn(ROLE), "presign.dev/role-arns"]);
    assert_eq!(place.front.count(None), 1);

    place.write_account(ACCOUNT, Some("*")).await;
    place.wait_again("second", "True", "Issued").await;
    assert_eq!(place.front.count(None), 2);
    // The one that was created again has not consented.
    place.delete_account(ACCOUNT).await;
    place.write_account(ACCOUNT, None).await;
    refused(&place, "third", &lasting("3h"), "CredentialsDenied").await;
    assert_eq!(place.front.count(None), 2);
}

#[tokio::test]
async fn a_session_belongs_to_the_account_whose_token_was_exchanged() {
    let (place, proxy) = behind_proxy("replaced", SessionStore::AUDIENCE).await;
    let request = proxy.hold(Match::new("POST", format!("/serviceaccounts/{ACCOUNT}/token")));
    place.space.apply("report", place.spec(&place.web_identity(ROLE), json!({}))).await;
    assert!(request.reached(DEADLINE).await);
    // The token is now that of another ServiceAccount than the one that was read.
    place.delete_account(ACCOUNT).await;
    place.write_account(ACCOUNT, Some("*")).await;
    request.release();
    place.wait_again("report", "True", "Issued").await;
    assert_eq!(place.front.count(None), 1);
    // The operator keeps a ServiceAccount that it read for some seconds.
    let is_read = |request: &&String| {
        request.starts_with("GET ") && request.contains("/serviceaccounts/") && !request.ends_with("/token")
    };
    let reads = || proxy.seen().iter().filter(is_read).count();
    let (before, ends) = (reads(), Instant::now() + AGAIN);
    for round in 0.. {
        place.renew("report", &format!("again-{round}")).await;
        if reads() > before {
            break;
        }
        assert!(Instant::now() < ends, "the account is not read again");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(place.front.count(None), 1, "the session is that of the account that exists");
    assert_eq!(place.space.download("report").await.unwrap(), "content");
}

#[tokio::test]
async fn a_url_outlives_its_account_and_ends_with_its_session() {
    let place = SessionSpace::brief("orphan").await;
    place.issue("report", &place.web_identity(ROLE), json!({"expiresIn": "2m"})).await;
    let url = place.space.data("report", "url").await;
    place.delete_account(ACCOUNT).await;
    let object = place.wait_again("report", "True", "RenewalFailing").await;
    assert_says(message(&object), &[&format!("{ACCOUNT:?}"), "does not exist", "works until"]);
    assert_eq!(place.space.data("report", "url").await, url);
    assert_eq!(place.space.download("report").await.unwrap(), "content");

    let object = place.wait_again("report", "False", "CredentialsNotFound").await;
    assert_says(message(&object), &[&format!("{ACCOUNT:?}"), "does not exist"]);
    assert!(place.space.download("report").await.is_err(), "it ended with its session");
    assert_eq!(place.front.count(None), 1);
    place.write_account(ACCOUNT, Some("*")).await;
    place.wait_again("report", "True", "Issued").await;
    assert_eq!(place.space.download("report").await.unwrap(), "content");
}
