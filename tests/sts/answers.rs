//! What a session is made from: the request, and the answer with its clock.

use jiff::{SignedDuration, Timestamp};
use presign_operator::sts::{StsFailure, StsOutage};

use crate::scratch::{TOKEN, assume_role, credentials, now, sts, sts_request, token, web_identity};
use crate::server::{StubServer, answer, date, session};

const WEB_IDENTITY: &str = "AssumeRoleWithWebIdentity";

fn after(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

#[tokio::test]
async fn a_token_is_sent_without_a_signature_and_without_a_role_if_there_is_none() {
    let body = session(WEB_IDENTITY, "ASIA", "secret", "token", &after(900).to_string());
    let server = StubServer::sends(answer(200, "", &body)).await;
    let mut sts_request = sts_request(&server.url());
    let sts = sts("http://127.0.0.1");
    sts.with_web_identity(&sts_request, &token(), now).await.unwrap();
    sts_request.role_arn = None;
    sts.with_web_identity(&sts_request, &token(), now).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for (request, has_role) in requests.iter().zip([true, false]) {
        let (head, form) = request.split_once("\r\n\r\n").unwrap();
        assert!(!head.to_ascii_lowercase().contains("authorization:") && !head.contains(TOKEN));
        let form: Vec<_> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!(value("Action"), Some(WEB_IDENTITY));
        assert_eq!((value("WebIdentityToken"), value("DurationSeconds")), (Some(TOKEN), Some("900")));
        assert_eq!(value("RoleArn").is_some(), has_role);
    }
}

#[tokio::test]
async fn a_request_with_credentials_is_signed_for_the_region() {
    let body = session("AssumeRole", "ASIA", "secret", "token", &after(900).to_string());
    let server = StubServer::sends(answer(200, "", &body)).await;
    let session = assume_role(&server.url()).await.unwrap();
    assert_eq!(session.credentials.session_token.unwrap().expose(), "token");
    let request = server.requests().pop().unwrap();
    let scope = "/eu-central-1/sts/aws4_request";
    assert!(request.contains("AWS4-HMAC-SHA256 Credential=") && request.contains(scope), "{request}");
    assert!(!request.contains(credentials().secret_access_key.expose()));
}

#[tokio::test]
async fn the_expiration_counts_by_the_clock_of_the_server() {
    for (ahead, lifetime, expected) in [(0, 900, 900), (300, 900, 600 + 300), (-3000, 900, -2100)] {
        let (there, read) = (after(ahead), now());
        let stated = there + SignedDuration::from_secs(lifetime);
        let body = session(WEB_IDENTITY, "ASIA", "secret", "token", &stated.to_string());
        let server = StubServer::sends(answer(200, &date(there), &body)).await;
        let begun = now();
        let session = web_identity(&server.url()).await;
        if expected < 0 {
            // A session that has expired by our clock cannot be used, although the server's is behind.
            assert!(matches!(session, Err(StsFailure::Unavailable { outage: StsOutage::Expired, .. })));
            continue;
        }
        let session = session.unwrap();
        let left = session.credentials.expiration.unwrap().duration_since(begun).as_secs();
        // The header Date stands for the time of the answer, which came so much later.
        let late = now().duration_since(read).as_secs();
        assert!((expected - 1..=expected + 1 + late).contains(&left), "{ahead}: {left}, {late} s late");
        assert!((begun..=now()).contains(&session.begun));
    }
}

#[tokio::test]
async fn an_answer_without_valid_credentials_is_none() {
    let (later, long) = (after(900).to_string(), "t".repeat(9000));
    for (id, secret, token, expiration, outage) in [
        ("", "s", "t", later.as_str(), StsOutage::Garbage),
        ("i", "", "t", &later, StsOutage::Garbage),
        ("i", "s", "", &later, StsOutage::Garbage),
        ("i", "s", "a b", &later, StsOutage::Garbage),
        ("i", "s", &long, &later, StsOutage::Garbage),
        ("i", "s", "t", "soon", StsOutage::Garbage),
        ("i", "s", "t", "", StsOutage::Garbage),
        ("i", "s", "t", "2020-01-01T00:00:00Z", StsOutage::Expired),
    ] {
        let body = session(WEB_IDENTITY, id, secret, token, expiration);
        let server = StubServer::sends(answer(200, "", &body)).await;
        let failure = web_identity(&server.url()).await.unwrap_err();
        assert!(
            matches!(failure, StsFailure::Unavailable { outage: found, .. } if found == outage),
            "{id:?} {secret:?} {expiration:?}: {failure:?}"
        );
    }
    let missing = session(WEB_IDENTITY, "i", "s", "t", &later).replace("Expiration>", "Expires>");
    let server = StubServer::sends(answer(200, "", &missing)).await;
    let failure = web_identity(&server.url()).await.unwrap_err();
    assert!(matches!(failure, StsFailure::Unavailable { .. }), "{failure:?}");
}
