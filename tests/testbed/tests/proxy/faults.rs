//! Each fault, once.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use testbed::{Fault, Match, WatchEvent};

use crate::{PLANE, RunningProgram, creation, curl, exists, namespace, output, proxy, through};

#[test]
fn a_dropped_request_never_arrives() {
    let proxy = proxy();
    let create = ["create", "configmap", "dropped"];
    proxy.fault(Match::new("POST", "/configmaps"), 1, Fault::Drop);
    assert_eq!(proxy.unmet(), 1);
    output(&mut through(&proxy, &create)).unwrap_err();
    assert_eq!(proxy.unmet(), 0);
    assert!(!exists("dropped"));
    output(&mut through(&proxy, &create)).unwrap();
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
fn a_request_that_hangs_ends_without_an_answer_and_never_arrives() {
    let proxy = proxy();
    let (hang, create) = (Duration::from_millis(700), ["create", "configmap", "hanging"]);
    proxy.fault(Match::new("POST", "/configmaps"), 1, Fault::Hang(hang));
    let started = Instant::now();
    let complaint = output(&mut through(&proxy, &create)).unwrap_err();
    assert!(complaint.contains("EOF"), "{complaint}");
    assert!(started.elapsed() >= hang && !exists("hanging"));
    output(&mut through(&proxy, &create)).unwrap();
}

#[test]
fn an_answer_can_come_after_what_a_watch_shows_of_later() {
    let (proxy, namespace) = (proxy(), namespace("overtaken"));
    let watch = RunningProgram::watch(&proxy, &namespace);
    watch.wait_for("kube-root-ca.crt");
    let deleted = WatchEvent::new("configmaps", "DELETED", "short-lived");
    let create = || Match::write("configmaps", "short-lived");
    proxy.fault(create(), 1, Fault::AnswerAfter(deleted));
    let mut creating = creation(&proxy, &namespace, "short-lived").stdout(Stdio::null()).spawn().unwrap();
    watch.wait_for(r#""type":"ADDED""#);
    assert_eq!(creating.try_wait().unwrap(), None);
    output(PLANE.kubectl().args(["-n", &namespace, "delete", "configmap", "short-lived"])).unwrap();
    assert!(creating.wait().unwrap().success(), "it was carried out");
    watch.wait_for(r#""type":"DELETED""#);
}

#[test]
fn an_overloaded_api_server_speaks_plain_text() {
    let proxy = proxy();
    proxy.fault(Match::new("GET", "/readyz"), 1, Fault::Overloaded { retry_after: 7 });
    let answer = curl(&proxy, "/readyz").unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: 7\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-type: text/plain"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nToo many requests, please try again later.\n"), "{answer}");
}

#[test]
fn a_write_is_known_by_the_name_of_its_object() {
    let proxy = proxy();
    let answer = |code| Fault::Answer { code, reason: "Other", retry_after: 0 };
    proxy.fault(Match::write("configmaps", "chosen"), u64::MAX, answer(418));
    let create = |name: &str| output(&mut creation(&proxy, "default", name));
    create("other").unwrap();
    assert!(create("chosen").unwrap_err().contains("418"));
    output(&mut through(&proxy, &["create", "secret", "generic", "chosen"])).unwrap();
    output(PLANE.kubectl().args(["create", "configmap", "chosen"])).unwrap();
    let complaint = output(&mut through(&proxy, &["label", "configmap", "chosen", "a=b"])).unwrap_err();
    assert!(complaint.contains("injected"), "{complaint}");
    output(&mut through(&proxy, &["get", "configmap", "chosen"])).unwrap();
    output(&mut through(&proxy, &["delete", "configmap", "chosen"])).unwrap();

    proxy.fault(Match::new("POST", "/configmaps").named("picked"), 1, answer(418));
    create("unpicked").unwrap();
    assert!(create("picked").unwrap_err().contains("418"));
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
