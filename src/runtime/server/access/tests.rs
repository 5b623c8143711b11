//! Who may read, by an API server that is made up.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Request, Response, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::service_fn;

use super::*;
use crate::runtime::server::reviews::{REFUSAL_DELAY, Verdicts};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn headers(authorization: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())])
}

/// An API server that knows one token, whose owner may read one path, and what it was asked.
fn api_server() -> (Client, Arc<Mutex<Vec<Value>>>) {
    let asked = Arc::<Mutex<Vec<Value>>>::default();
    let noted = asked.clone();
    let answer = move |request: Request<Body>| {
        let noted = noted.clone();
        async move {
            let bytes = request.into_body().collect_bytes().await.unwrap();
            let mut review: Value = serde_json::from_slice(&bytes).unwrap();
            noted.lock().unwrap().push(review.clone());
            let spec = &review["spec"];
            let status = match spec["token"].as_str() {
                Some("broken") => {
                    return Ok::<_, kube::Error>(respond(
                        StatusCode::FORBIDDEN,
                        &json!({
                            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                            "reason": "Forbidden", "message": "no", "code": 403,
                        }),
                    ));
                }
                Some("good" | "other") => json!({
                    "authenticated": true,
                    "user": {"username": spec["token"], "uid": "1", "groups": ["g"], "extra": {"k": ["v"]}},
                }),
                // Not authenticated, whoever is named.
                Some(_) => json!({"authenticated": false, "user": {"username": "good"}}),
                None => json!({"allowed": spec["user"] == "good"
                    && spec["nonResourceAttributes"] == json!({"path": "/metrics", "verb": "get"})}),
            };
            review["status"] = status;
            Ok(respond(StatusCode::CREATED, &review))
        }
    };
    (Client::new(service_fn(answer), "default"), asked)
}

fn respond(status: StatusCode, body: &Value) -> Response<Body> {
    Response::builder().status(status).body(Body::from(body.to_string().into_bytes())).unwrap()
}

#[tokio::test]
async fn the_api_server_says_who_may() {
    let (client, asked) = api_server();
    let access = Access::new(client);
    for (authorization, path, expected) in [
        ("Bearer good", "/metrics", Ok(())),
        ("bearer good", "/metrics", Ok(())),
        ("Bearer good", "/other", Err(Refusal::Forbidden)),
        ("Bearer other", "/metrics", Err(Refusal::Forbidden)),
        ("Bearer unknown", "/metrics", Err(Refusal::Unauthenticated)),
        ("Bearer broken", "/metrics", Err(Refusal::Unavailable)),
        ("Bearer ", "/metrics", Err(Refusal::Unauthenticated)),
        ("Basic good", "/metrics", Err(Refusal::Unauthenticated)),
        ("good", "/metrics", Err(Refusal::Unauthenticated)),
    ] {
        let verdict = access.judge(PEER, &headers(authorization), path).await;
        assert_eq!(verdict, expected, "{authorization} {path}");
    }
    assert_eq!(access.judge(PEER, &HeaderMap::new(), "/metrics").await, Err(Refusal::Unauthenticated));
    let asked = asked.lock().unwrap();
    let expected = json!({
        "user": "good", "uid": "1", "groups": ["g"], "extra": {"k": ["v"]},
        "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
    });
    assert_eq!(asked[1]["spec"], expected);
    assert_eq!(asked.len(), 8, "the second good one is remembered, and one without a token costs nothing");
}

#[tokio::test(start_paused = true)]
async fn a_verdict_counts_for_a_while_and_an_error_not_at_all() {
    let (client, asked) = api_server();
    let access = Access::new(client);
    let count = || asked.lock().unwrap().len();
    for (token, lasts, calls) in [("good", TERMS.granted_for, 2), ("unknown", TERMS.refused_for, 1)] {
        let before = count();
        let headers = headers(&format!("Bearer {token}"));
        let first = access.judge(PEER, &headers, "/metrics").await;
        tokio::time::advance(lasts.checked_sub(Duration::from_millis(1)).unwrap()).await;
        assert_eq!(access.judge(PEER, &headers, "/metrics").await, first);
        assert_eq!(count() - before, calls, "{token}");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(access.judge(PEER, &headers, "/metrics").await, first);
        assert_eq!(count() - before, 2 * calls, "{token}");
    }
    let before = count();
    for _ in 0..2 {
        let verdict = access.judge(PEER, &headers("Bearer broken"), "/metrics").await;
        assert_eq!(verdict, Err(Refusal::Unavailable));
    }
    assert_eq!(count() - before, 2);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_is_waited_for_a_while() {
    let silent = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, kube::Error>>());
    let access = Access::new(Client::new(silent, "default"));
    let verdict = access.judge(PEER, &headers("Bearer good"), "/metrics").await;
    assert_eq!(verdict, Err(Refusal::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_makes_tokens_up_holds_nobody_up_but_itself() {
    let (client, _) = api_server();
    let access = Access::new(client);
    let crowd = (0..200).map(|number| {
        let headers = headers(&format!("Bearer made-up-{number}"));
        let access = &access;
        async move { access.judge(PEER, &headers, "/metrics").await }
    });
    let begin = Instant::now();
    let other = async {
        let verdict = access.judge("10.0.0.1".parse().unwrap(), &headers("Bearer good"), "/metrics").await;
        (verdict, begin.elapsed())
    };
    let (crowd, (verdict, waited)) = futures::join!(futures::future::join_all(crowd), other);
    assert_eq!(verdict, Ok(()));
    assert!(waited < REFUSAL_DELAY, "{waited:?}");
    assert!(crowd.contains(&Err(Refusal::Unavailable)), "there were more than it has time for");
}

#[test]
fn a_late_verdict_replaces_none_of_a_later_review() {
    let (mut verdicts, begun) = (Verdicts::new(TERMS), Instant::now());
    let key = |token: &str| ReviewKey::of(&["/metrics", token]);
    let later = begun + Duration::from_secs(1);
    verdicts.put(key("revoked"), Err(Refusal::Unauthenticated), later);
    verdicts.put(key("revoked"), Ok(()), begun);
    assert_eq!(verdicts.get(&key("revoked"), later), Some(Err(Refusal::Unauthenticated)));
    // It counts from the begin of its review.
    verdicts.put(key("other"), Ok(()), begun);
    assert_eq!(verdicts.get(&key("other"), begun + TERMS.granted_for), None);
}

#[test]
fn tokens_that_were_made_up_do_not_push_out_one_that_may_read() {
    let (mut verdicts, now) = (Verdicts::new(TERMS), Instant::now());
    let key = |token: &str| ReviewKey::of(&["/metrics", token]);
    verdicts.put(key("good"), Ok(()), now);
    for number in 0..2 * TERMS.most_verdicts {
        verdicts.put(key(&number.to_string()), Err(Refusal::Unauthenticated), now);
    }
    assert_eq!(verdicts.all.len(), TERMS.most_verdicts);
    assert_eq!(verdicts.get(&key("good"), now), Some(Ok(())));
    assert_eq!(verdicts.get(&key("good"), now + TERMS.granted_for), None);
}

/// An API server that knows one token and takes some time for each review, and how many it was asked for.
fn slow_api_server(takes: Duration) -> (Client, Arc<Mutex<usize>>) {
    let asked = Arc::<Mutex<usize>>::default();
    let count = asked.clone();
    let answer = move |request: Request<Body>| {
        let count = count.clone();
        async move {
            *count.lock().unwrap() += 1;
            tokio::time::sleep(takes).await;
            let bytes = request.into_body().collect_bytes().await.unwrap();
            let mut review: Value = serde_json::from_slice(&bytes).unwrap();
            review["status"] = match review["spec"]["token"].as_str() {
                Some("good") => json!({"authenticated": true, "user": {"username": "good"}}),
                Some(_) => json!({"authenticated": false}),
                None => json!({"allowed": true}),
            };
            Ok::<_, kube::Error>(respond(StatusCode::CREATED, &review))
        }
    };
    (Client::new(service_fn(answer), "default"), asked)
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_hangs_up_gets_no_more_reviews_than_one_that_waits() {
    let takes = Duration::from_millis(10);
    let (client, asked) = slow_api_server(takes);
    let access = Access::new(client);
    let begin = Instant::now();
    let mut number = 0;
    while begin.elapsed() < 10 * REFUSAL_DELAY {
        number += 1;
        let headers = headers(&format!("Bearer made-up-{number}"));
        // It hangs up when the review was sent.
        let judged = access.judge(PEER, &headers, "/metrics");
        drop(tokio::time::timeout(takes / 2, judged).await);
    }
    let asked = *asked.lock().unwrap();
    assert!((2..=10).contains(&asked), "{asked} reviews of {number} requests");
}

#[tokio::test(start_paused = true)]
async fn the_verdict_that_nobody_waits_for_any_more_is_kept() {
    let takes = Duration::from_millis(10);
    let (client, asked) = slow_api_server(takes);
    let access = Access::new(client);
    for (token, verdict, reviews) in [("good", Ok(()), 2), ("made-up", Err(Refusal::Unauthenticated), 1)] {
        *asked.lock().unwrap() = 0;
        let headers = headers(&format!("Bearer {token}"));
        let judged = access.judge(PEER, &headers, "/metrics");
        assert!(tokio::time::timeout(takes / 2, judged).await.is_err(), "it hung up");
        tokio::time::sleep(2 * takes).await;
        // Another peer gets the verdict at once, also during the pause of the first.
        let begin = Instant::now();
        let other = "10.0.0.1".parse().unwrap();
        assert_eq!(access.judge(other, &headers, "/metrics").await, verdict);
        assert_eq!((begin.elapsed(), *asked.lock().unwrap()), (Duration::ZERO, reviews), "{token}");
    }
}
