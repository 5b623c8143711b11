//! Each fault, once.

use std::time::{Duration, Instant};

use serde_json::json;
use testbed::{Fault, Match};

use crate::{curl, exists, output, proxy, through};

#[test]
fn a_dropped_request_never_arrives() {
    let proxy = proxy();
    let create = ["create", "configmap", "dropped"];
    proxy.fault(Match::new("POST", "/configmaps"), 1, Fault::Drop);
    output(&mut through(&proxy, &create)).unwrap_err();
    assert!(!exists("dropped"));
    output(&mut through(&proxy, &create)).unwrap();
}

#[test]
fn a_lost_answer_belongs_to_a_request_that_was_carried_out() {
    let proxy = proxy();
    proxy.fault(Match::new("POST", "/configmaps"), 1, Fault::LoseAnswer);
    let complaint = output(&mut through(&proxy, &["create", "configmap", "unanswered"])).unwrap_err();
    assert!(complaint.contains("EOF"), "{complaint}");
    assert!(exists("unanswered"));
}

#[test]
fn a_delayed_request_arrives_later() {
    let proxy = proxy();
    proxy.fault(Match::new("GET", "/readyz"), 1, Fault::Delay(Duration::from_millis(700)));
    let started = Instant::now();
    assert!(curl(&proxy, "/readyz").unwrap().ends_with("ok"));
    assert!(started.elapsed() >= Duration::from_millis(700));
}

#[test]
fn a_status_is_answered_in_place_of_the_api_server() {
    let proxy = proxy();
    for (code, reason) in [
        (409, "Conflict"),
        (422, "Invalid"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
    ] {
        let retry_after = if code == 429 { 7 } else { 0 };
        proxy.fault(Match::new("GET", "/readyz"), 1, Fault::Answer { code, reason, retry_after });
        let answer = curl(&proxy, "/readyz").unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
        assert!(answer.contains(&format!(r#""reason":"{reason}""#)), "{answer}");
        assert_eq!(answer.contains("\r\nretry-after: 7\r\n"), code == 429, "{answer}");
    }
    assert!(curl(&proxy, "/readyz").unwrap().starts_with("HTTP/1.1 200 "));
}

#[test]
fn any_other_status_is_what_kubectl_says() {
    let proxy = proxy();
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden",
        "message": "not on a Monday",
    });
    proxy.fault(Match::new("GET", "/configmaps/x"), 1, Fault::Status(status));
    let complaint = output(&mut through(&proxy, &["get", "configmap", "x"])).unwrap_err();
    assert!(complaint.contains("not on a Monday"), "{complaint}");
}

#[test]
fn a_fault_is_for_what_it_matches_and_as_often_as_it_says() {
    let proxy = proxy();
    let matching = Match::new("GET", "/readyz").and("chosen").after(2);
    proxy.fault(matching, 2, Fault::Answer { code: 500, reason: "InternalError", retry_after: 0 });
    let code = |path: &str| curl(&proxy, path).unwrap()["HTTP/1.1 ".len()..][..3].to_owned();
    let codes: Vec<_> = (0..6).map(|_| code("/readyz?chosen")).collect();
    assert_eq!(codes, ["200", "200", "500", "500", "200", "200"]);

    let answer = |code| Fault::Answer { code, reason: "Other", retry_after: 0 };
    proxy.fault(Match::new("POST", "/"), u64::MAX, answer(500));
    proxy.fault(Match::new("*", "/livez"), u64::MAX, answer(501));
    proxy.fault(Match::new("GET", "/livez"), u64::MAX, answer(502));
    assert_eq!((code("/livez").as_str(), code("/readyz").as_str()), ("501", "200"), "the first one counts");
    proxy.heal();
    assert_eq!(code("/livez"), "200");
}
