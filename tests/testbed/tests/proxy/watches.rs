//! Watches that end, and watches that do not begin.

use testbed::{Fault, Match};

use crate::{Lines, PLANE, curl, output, proxy};

/// A namespace of its own, since a watch tells everything that happens in it.
fn namespace(name: &str) -> String {
    output(PLANE.kubectl().args(["create", "namespace", name])).unwrap();
    name.to_owned()
}

const GONE: &str = r#""code":410"#;

#[test]
fn a_cut_watch_breaks_and_the_next_one_goes_on() {
    let (proxy, namespace) = (proxy(), namespace("cut"));
    let watches = [Lines::watch(&proxy, &namespace), Lines::watch(&proxy, &namespace)];
    for watch in &watches {
        watch.wait_for("kube-root-ca.crt");
    }
    proxy.cut_watches();
    for watch in watches {
        let (ended_well, rest) = watch.end();
        assert!(!ended_well && rest.is_empty(), "{rest:?}");
    }
    Lines::watch(&proxy, &namespace).wait_for("kube-root-ca.crt");
}

#[test]
fn an_expired_watch_says_so_and_ends() {
    let (proxy, namespace) = (proxy(), namespace("expired"));
    let watch = Lines::watch(&proxy, &namespace);
    watch.wait_for("kube-root-ca.crt");
    proxy.expire_watches();
    let (ended_well, rest) = watch.end();
    assert!(ended_well && rest.len() == 1 && rest[0].contains(GONE), "{rest:?}");
    Lines::watch(&proxy, &namespace).wait_for("kube-root-ca.crt");
}

#[test]
fn a_watch_can_come_too_late() {
    let (proxy, namespace) = (proxy(), namespace("late"));
    proxy.fault(Match::new("GET", "watch=true"), 1, Fault::Gone);
    let (ended_well, rest) = Lines::watch(&proxy, &namespace).end();
    assert!(ended_well && rest.len() == 1, "{rest:?}");
    assert!(rest[0].contains(r#""type":"ERROR""#) && rest[0].contains(GONE), "{rest:?}");
    Lines::watch(&proxy, &namespace).wait_for("kube-root-ca.crt");
}

#[test]
fn a_watch_can_break_off_in_the_middle_of_an_event() {
    let (proxy, namespace) = (proxy(), namespace("broken"));
    proxy.fault(Match::new("GET", "watch=true"), 1, Fault::BreakOff(40));
    let (ended_well, rest) = Lines::watch(&proxy, &namespace).end();
    assert!(!ended_well, "{rest:?}");
    assert_eq!(rest.concat().len(), 40, "{rest:?}");
    Lines::watch(&proxy, &namespace).wait_for("kube-root-ca.crt");
}

#[test]
fn an_api_server_without_streaming_lists() {
    let (proxy, namespace) = (proxy(), namespace("streaming"));
    let path = format!("/api/v1/namespaces/{namespace}/configmaps?watch=true&timeoutSeconds=1");
    let streaming =
        format!("{path}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
    let answer = curl(&proxy, &streaming).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("k8s.io/initial-events-end"), "{answer}");
    proxy.refuse_streaming_lists();
    let answer = curl(&proxy, &streaming).unwrap();
    assert!(answer.starts_with("HTTP/1.1 422 "), "{answer}");
    assert!(answer.contains("sendInitialEvents is forbidden for watch unless"), "{answer}");
    assert!(curl(&proxy, &path).unwrap().starts_with("HTTP/1.1 200 "));
}
