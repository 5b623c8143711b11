//! Watches that end, and watches that do not begin.

use std::time::Duration;

use testbed::{Fault, Match, WatchEvent};

use crate::{DEADLINE, PLANE, RunningProgram, curl, namespace, output, proxy};

const GONE: &str = r#""code":410"#;

#[test]
fn a_cut_watch_breaks_and_the_next_one_goes_on() {
    let (proxy, namespace) = (proxy(), namespace("cut"));
    let watches = [RunningProgram::watch(&proxy, &namespace), RunningProgram::watch(&proxy, &namespace)];
    for watch in &watches {
        watch.wait_for("kube-root-ca.crt");
    }
    proxy.cut_watches();
    for watch in watches {
        let (ended_well, rest) = watch.end();
        assert!(!ended_well && rest.is_empty(), "{rest:?}");
    }
    RunningProgram::watch(&proxy, &namespace).wait_for("kube-root-ca.crt");
}

#[test]
fn an_expired_watch_says_so_and_ends() {
    let (proxy, namespace) = (proxy(), namespace("expired"));
    let watch = RunningProgram::watch(&proxy, &namespace);
    watch.wait_for("kube-root-ca.crt");
    proxy.expire_watches();
    let (ended_well, rest) = watch.end();
    assert!(ended_well && rest.len() == 1 && rest[0].contains(GONE), "{rest:?}");
    RunningProgram::watch(&proxy, &namespace).wait_for("kube-root-ca.crt");
}

#[test]
fn a_watch_can_break_off_in_the_middle_of_an_event() {
    let (proxy, namespace) = (proxy(), namespace("broken"));
    proxy.fault(Match::new("GET", "watch=true"), 1, Fault::BreakOff(40));
    let (ended_well, rest) = RunningProgram::watch(&proxy, &namespace).end();
    assert!(!ended_well, "{rest:?}");
    assert_eq!(rest.concat().len(), 40, "{rest:?}");
    RunningProgram::watch(&proxy, &namespace).wait_for("kube-root-ca.crt");
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

#[tokio::test]
async fn what_a_watch_delivers_can_be_waited_for() {
    let (proxy, namespace) = (proxy(), namespace("awaited"));
    let watch = RunningProgram::watch(&proxy, &namespace);
    watch.wait_for("kube-root-ca.crt");
    let event = |kind: &str, name: &str| proxy.expect(WatchEvent::new("configmaps", kind, name));
    let (added, modified, deleted) = (event("ADDED", "a"), event("MODIFIED", "a"), event("DELETED", "a"));
    let other = event("ADDED", "b");
    let change = |arguments: &[&str]| {
        output(PLANE.kubectl().args(["-n", &namespace]).args(arguments)).unwrap();
    };
    let at_once = Duration::from_millis(50);
    change(&["create", "configmap", "a"]);
    assert!(added.delivered(DEADLINE).await && !modified.delivered(at_once).await);
    change(&["label", "configmap", "a", "x=y"]);
    assert!(modified.delivered(DEADLINE).await && !deleted.delivered(at_once).await);
    change(&["delete", "configmap", "a"]);
    assert!(deleted.delivered(DEADLINE).await && !other.delivered(at_once).await);
    assert!(!event("ADDED", "a").delivered(at_once).await, "only what comes from then on counts");
}

#[tokio::test]
async fn a_paused_watch_shows_later_what_happened_meanwhile() {
    let (proxy, namespace) = (proxy(), namespace("paused"));
    let watch = RunningProgram::watch(&proxy, &namespace);
    watch.wait_for("kube-root-ca.crt");
    let added = proxy.expect(WatchEvent::new("configmaps", "ADDED", "late"));
    let pauses = [proxy.pause_watches("configmaps"), proxy.pause_watches("configmaps")];
    let unrelated = proxy.pause_watches("secrets");
    output(PLANE.kubectl().args(["-n", &namespace, "create", "configmap", "late"])).unwrap();
    for pause in pauses {
        assert!(!added.delivered(Duration::from_millis(200)).await);
        drop(pause);
    }
    assert!(added.delivered(DEADLINE).await);
    watch.wait_for("late");
    drop(unrelated);
}
