//! The store itself: roles, sessions, and what ends them.

use std::{
    thread,
    time::{Duration, Instant},
};

use testbed::{SessionStore, allow};

use crate::{
    Key, PLANE, STORE, ask, assert_refused, assume, exchange, fill, get, put, session, token, uploader,
};

const READ_ONE: (&str, &str) = ("s3:GetObject", "arn:aws:s3:::bucket/team-a/report");

fn uploaders_token() -> String {
    token("uploader", SessionStore::AUDIENCE)
}

#[test]
fn a_service_account_has_a_session_of_its_role() {
    let key = session(exchange("uploader", &uploaders_token(), &[]));
    assert_eq!(get(&STORE, &key, "team-a/report"), (200, "of a".to_owned()));
    assert_refused(get(&STORE, &key, "team-b/report"), 403, "AccessDenied");
    assert_eq!(put(&STORE, &key, "team-a/made").0, 200);
    assert_eq!(STORE.get_object("bucket", "team-a/made").unwrap(), b"new");
    let altered = Key { secret: format!("{}x", key.secret), ..key };
    assert_refused(get(&STORE, &altered, "team-a/report"), 403, "SignatureDoesNotMatch");
}

#[test]
fn nobody_else_has_one() {
    let strangers_token = token("stranger", SessionStore::AUDIENCE);
    assert_refused(exchange("uploader", &strangers_token, &[]), 403, "AccessDenied");
    let for_another = token("uploader", "another");
    assert_refused(exchange("uploader", &for_another, &[]), 400, "InvalidParameterValue");
    assert_refused(exchange("missing", &uploaders_token(), &[]), 403, "AccessDenied");
    let unsigned = uploaders_token().rsplit_once('.').unwrap().0.to_owned() + ".c2lnbmF0dXJl";
    assert_refused(exchange("uploader", &unsigned, &[]), 400, "InvalidParameterValue");
}

#[test]
fn a_policy_narrows_a_session_to_less_than_its_role() {
    let policy = allow(&[READ_ONE.0], &[READ_ONE.1, "arn:aws:s3:::bucket/team-b/*"]).to_string();
    let key = session(exchange("uploader", &uploaders_token(), &[("Policy", &policy)]));
    assert_eq!(get(&STORE, &key, "team-a/report").0, 200);
    assert_refused(put(&STORE, &key, "team-a/report"), 403, "AccessDenied");
    assert_refused(get(&STORE, &key, "team-b/report"), 403, "AccessDenied");

    let long = allow(&[READ_ONE.0], &[&"x".repeat(3000)]).to_string();
    let refused = exchange("uploader", &uploaders_token(), &[("Policy", &long)]);
    assert_refused(refused, 400, "MalformedPolicyDocument");
}

#[test]
fn a_key_assumes_a_role_that_trusts_it() {
    let key = Key::of("KEY", "secret");
    assert_refused(get(&STORE, &key, "team-a/report"), 403, "AccessDenied");
    let policy = allow(&[READ_ONE.0], &[READ_ONE.1]).to_string();
    let assumed = session(assume(&key, "keyed", &[("Policy", &policy)]));
    assert_eq!(get(&STORE, &assumed, "team-a/report").0, 200);
    assert_refused(put(&STORE, &assumed, "team-a/report"), 403, "AccessDenied");

    assert_refused(assume(&Key::of("OTHER", "secret"), "keyed", &[]), 403, "AccessDenied");
    assert_refused(assume(&Key::of("KEY", "wrong"), "keyed", &[]), 403, "SignatureDoesNotMatch");
}

#[test]
fn a_session_assumes_a_role_that_trusts_its_own() {
    let first = session(exchange("uploader", &uploaders_token(), &[]));
    let second = session(assume(&first, "chained", &[]));
    assert_eq!(get(&STORE, &second, "team-a/report").0, 200);
    let third = assume(&second, "chained", &[]);
    assert_refused(third, 403, "AccessDenied");
    assert_refused(assume(&Key::of("KEY", "secret"), "chained", &[]), 403, "AccessDenied");
}

#[test]
fn a_stopped_store_comes_back_with_all_it_had() {
    let store = SessionStore::builder().issuer(&PLANE).unwrap().role(uploader()).start().unwrap();
    fill(&store);
    let (endpoint, token) = (store.endpoint(), uploaders_token());
    let further = [("WebIdentityToken", token.as_str()), ("DurationSeconds", "900")];
    let exchange = || ask(&endpoint, None, "AssumeRoleWithWebIdentity", "uploader", &further);
    let key = session(exchange().unwrap());
    assert_eq!(get(&store, &key, "team-a/report").0, 200);
    let pids = store.pids();

    store.stop().unwrap();
    let complaint = exchange().unwrap_err();
    assert!(complaint.contains("Failed to connect"), "{complaint}");
    store.check().unwrap();
    assert!(store.pids().is_empty());
    store.restart().unwrap();
    assert_ne!(store.pids(), pids);
    assert_eq!(get(&store, &key, "team-a/report"), (200, "of a".to_owned()));
    assert_eq!(put(&store, &key, "team-a/made").0, 200, "it waits for the server");

    let folder = store.folder().to_owned();
    drop(store);
    assert!(!folder.exists());
}

#[test]
fn short_sessions_end() {
    let limit = Duration::from_secs(30);
    let builder = SessionStore::builder().issuer(&PLANE).unwrap().role(uploader());
    let store = builder.longest_session(limit).start().unwrap();
    fill(&store);
    let (endpoint, token) = (store.endpoint(), uploaders_token());
    let further = [("WebIdentityToken", token.as_str()), ("DurationSeconds", "900")];
    let exchange = || ask(&endpoint, None, "AssumeRoleWithWebIdentity", "uploader", &further);
    let key = session(exchange().unwrap());
    let issued = Instant::now();
    assert_eq!(get(&store, &key, "team-a/report").0, 200);
    thread::sleep((limit + Duration::from_secs(1)).saturating_sub(issued.elapsed()));
    // AWS would call it an expired token.
    assert_refused(get(&store, &key, "team-a/report"), 403, "InvalidAccessKeyId");
    session(exchange().unwrap());
}
