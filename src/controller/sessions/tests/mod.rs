//! Who gets which session, and how often an STS is asked.

use super::wanted::LIMITS;
use super::*;
use crate::crd::{NarrowTo, SignerKind};
use crate::domain::Sensitive;
use crate::domain::session::{SessionSource, SessionSpec, StsAddress};
use crate::domain::stored::Digest;
use crate::runtime::schedule::CallQueue;

mod accounts;
mod limits;
mod panics;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_893_456_000 + second).unwrap()
}

fn key(policy: &str) -> Arc<SessionKey> {
    let sts = StsAddress {
        endpoint: None,
        region: "eu-central-1".to_owned(),
        aws: crate::domain::request::AwsAddress::default(),
        ca_bundle: None,
    };
    let spec = SessionSpec {
        role: None,
        duration: 3600,
        sts,
        narrow_to: NarrowTo::Namespace,
        policy: Some(policy.to_owned()),
        name: "presign".to_owned(),
        base_name: "presign".to_owned(),
        block: Digest::default(),
    };
    Arc::new(SessionKey::new(SessionSource::Ambient, spec, SessionOwner::Signer("u".to_owned())).0)
}

/// The key of a session of a namespace that has credentials of its own.
fn of_namespace(namespace: &str, policy: &str) -> Arc<SessionKey> {
    let owner = SessionOwner::Namespace(namespace.to_owned());
    Arc::new(SessionKey { owner, ..(*key(policy)).clone() })
}

fn signer() -> ParsedSigner {
    let spec = serde_json::json!({"s3": {
        "endpoint": "https://s3.example.com", "region": "eu-central-1",
        "credentials": {"secretRef": {"name": "keys"}},
    }});
    let id = SignerId { kind: SignerKind::Signer, namespace: "n".to_owned(), name: "s".to_owned() };
    ParsedSigner::of_namespace(id, "u".to_owned(), 1, &serde_json::from_value(spec).unwrap()).unwrap()
}

fn session(begun: i64, end: i64) -> Session {
    let text = |text: &str| Sensitive::new(text.to_owned());
    let credentials = Credentials {
        access_key_id: text("ASIA"),
        secret_access_key: text("secret"),
        session_token: Some(text("token")),
        expiration: Some(at(end)),
    };
    Session { credentials, begun: at(begun) }
}

/// What an object is told that wants a URL of an hour.
fn find(sessions: &Sessions, namespace: &str, name: &str, policy: &str, now: i64) -> FoundSession {
    let wanted = WantedSession { key: key(policy), base: None, ca_bundle: None, flow: namespace.to_owned() };
    let need = SessionNeed { until: at(now + 3600), longer_than: None };
    sessions.find(&Key::new(namespace, name), wanted, need, at(now))
}

fn asked(sessions: &Sessions) -> Vec<WantedSession> {
    let mut cache = sessions.cache.write();
    std::iter::from_fn(|| cache.next()).collect()
}

#[test]
fn ten_thousand_objects_that_may_share_a_session_ask_once() {
    let sessions = Sessions::default();
    for number in 0..10_000 {
        let found = find(&sessions, &format!("n{}", number % 100), &number.to_string(), "p", 0);
        assert!(matches!(found, FoundSession::Pending(_)));
    }
    let asked = asked(&sessions);
    assert_eq!(asked.len(), 1);
    let woken = sessions.answered(&asked[0], Ok(session(0, 3600)), at(0));
    assert_eq!(woken.len(), 10_000);
    assert!(matches!(find(&sessions, "n0", "0", "p", 1), FoundSession::Ready(_)));
    assert!(matches!(find(&sessions, "n0", "0", "other", 1), FoundSession::Pending(_)));
}

#[test]
fn ten_thousand_urls_of_an_hour_that_are_due_across_an_hour_cost_five_sessions_at_most() {
    let sessions = Sessions::default();
    let mut count = 0;
    for number in 0..10_000 {
        let now = number * 3600 / 10_000;
        let name = number.to_string();
        if matches!(find(&sessions, "n", &name, "p", now), FoundSession::Pending(_)) {
            for wanted in asked(&sessions) {
                count += 1;
                sessions.answered(&wanted, Ok(session(now, now + 3600)), at(now));
            }
            assert!(matches!(find(&sessions, "n", &name, "p", now), FoundSession::Ready(_)));
        }
    }
    assert!((2..=5).contains(&count), "{count}");
}

#[test]
fn a_failure_is_not_tried_again_before_its_backoff_and_concerns_nobody_else() {
    let sessions = Sessions::default();
    let mut waited = Vec::new();
    let mut now = 0;
    for _ in 0..8 {
        assert!(matches!(find(&sessions, "n", "a", "broken", now), FoundSession::Pending(_)));
        let wanted = asked(&sessions).pop().unwrap();
        let woken = sessions.answered(&wanted, Err(SessionFailure::Bug), at(now));
        assert!(woken.contains(&Key::new("n", "a")));
        let begun = now;
        while matches!(find(&sessions, "n", "b", "broken", now), FoundSession::Failed(_)) {
            now += 1;
        }
        waited.push(now - begun);
        // The loop has asked again, for the other object.
        let wanted = asked(&sessions).pop().unwrap();
        sessions.answered(&wanted, Err(SessionFailure::Bug), at(now));
        now += 60;
    }
    assert_eq!(waited[0], 2);
    assert!(waited.iter().all(|seconds| *seconds <= 60), "{waited:?}");
    assert_eq!(
        sessions.failure_of(&signer()).map(|failure| failure.reason()),
        Some(SessionFailure::Bug.reason())
    );
    assert!(matches!(find(&sessions, "n", "c", "works", now), FoundSession::Pending(_)));
    // A clock that was set back by a day ends the backoff.
    assert!(matches!(find(&sessions, "n", "a", "broken", now - 86_400), FoundSession::Pending(_)));
}

#[test]
fn a_session_goes_with_the_last_object_that_uses_it() {
    let sessions = Sessions::default();
    find(&sessions, "n", "a", "p", 0);
    find(&sessions, "n", "b", "p", 0);
    let wanted = asked(&sessions).pop().unwrap();
    sessions.answered(&wanted, Ok(session(0, 3600)), at(0));
    assert_eq!((sessions.count(&Key::new("n", "a")), sessions.expirations().len()), (1, 1));
    sessions.forget(&Key::new("n", "a"));
    assert_eq!(sessions.expirations().len(), 1);
    find(&sessions, "n", "b", "q", 0);
    assert!(sessions.expirations().is_empty(), "the other object asked for another session");
    // Deleted while the session is requested.
    let wanted = asked(&sessions).pop().unwrap();
    sessions.forget(&Key::new("n", "b"));
    assert!(sessions.answered(&wanted, Ok(session(0, 3600)), at(0)).is_empty());
    let cache = sessions.cache.read();
    assert!(cache.entries.is_empty() && cache.by_object.is_empty());
}

#[test]
fn an_expired_session_is_dropped_and_all_are_with_the_lease() {
    let sessions = Sessions::default();
    for (name, begun) in [("a", 0), ("b", 3599)] {
        find(&sessions, "n", name, name, begun);
        let wanted = asked(&sessions).pop().unwrap();
        sessions.answered(&wanted, Ok(session(begun, begun + 3600)), at(begun));
    }
    assert_eq!(sessions.expirations().len(), 2);
    sessions.sweep(at(3600), true);
    assert_eq!(sessions.expirations().len(), 1);
    assert!(!sessions.cache.read().by_object.contains_key(&Key::new("n", "a")));
    sessions.sweep(at(3600), false);
    let cache = sessions.cache.read();
    assert!(cache.entries.is_empty() && cache.by_object.is_empty());
}

#[test]
fn a_session_that_is_left_serves_while_no_other_can_be_got() {
    let sessions = Sessions::default();
    find(&sessions, "n", "a", "p", 0);
    let wanted = asked(&sessions).pop().unwrap();
    sessions.answered(&wanted, Ok(session(0, 3600)), at(0));
    assert!(matches!(find(&sessions, "n", "b", "p", 1800), FoundSession::Pending(_)));
    let wanted = asked(&sessions).pop().unwrap();
    sessions.answered(&wanted, Err(SessionFailure::Bug), at(1800));
    assert!(matches!(find(&sessions, "n", "b", "p", 1801), FoundSession::Ready(_)), "a shorter URL");
    let renew = |current| {
        let need = SessionNeed { until: at(5401), longer_than: Some(at(current)) };
        let wanted = WantedSession { key: key("p"), base: None, ca_bundle: None, flow: "n".to_owned() };
        sessions.find(&Key::new("n", "a"), wanted, need, at(1801))
    };
    assert!(matches!(renew(3600), FoundSession::Failed(_)), "a renewal gains nothing");
    assert!(matches!(renew(3000), FoundSession::Ready(_)), "it prolongs the URL by ten minutes");
}

#[test]
fn what_nobody_uses_any_more_is_not_requested() {
    let sessions = Sessions::default();
    find(&sessions, "n", "a", "p", 0);
    find(&sessions, "n", "a", "q", 0);
    find(&sessions, "n", "a", "r", 0);
    assert_eq!(asked(&sessions).len(), 1);
    assert_eq!(sessions.cache.read().entries.len(), 1);
}

#[test]
fn a_session_that_ends_at_once_is_a_failure_and_a_lost_lease_is_none() {
    let sessions = Sessions::default();
    find(&sessions, "n", "a", "p", 0);
    let wanted = asked(&sessions).pop().unwrap();
    sessions.answered(&wanted, Ok(session(0, 9)), at(0));
    assert!(matches!(find(&sessions, "n", "a", "p", 1), FoundSession::Failed(SessionFailure::TooShort)));
    find(&sessions, "n", "b", "q", 0);
    let wanted = asked(&sessions).pop().unwrap();
    sessions.answered(&wanted, Err(SessionFailure::NotLeading), at(0));
    assert!(matches!(find(&sessions, "n", "b", "q", 0), FoundSession::Pending(_)));
}

#[test]
fn one_sts_that_never_answers_leaves_room_for_others() {
    let mut queue = CallQueue::new(LIMITS);
    for number in 0..100 {
        let flow = format!("n{number}");
        queue.push(WantedSession { key: of_namespace(&flow, "p"), base: None, ca_bundle: None, flow });
    }
    let mut other = (*of_namespace("n", "p")).clone();
    other.spec.sts.region = "eu-west-1".to_owned();
    queue.push(WantedSession { key: Arc::new(other), base: None, ca_bundle: None, flow: "n".to_owned() });
    let running: Vec<_> = std::iter::from_fn(|| queue.pop(|_| true)).collect();
    assert_eq!(running.len(), 9);
    assert_eq!(running[8].flow, "n");
}

#[test]
fn namespaces_take_turns_and_none_has_all() {
    let sessions = Sessions::default();
    let ask = |namespace: &str, name: &str| {
        let (key, flow) = (of_namespace(namespace, name), namespace.to_owned());
        let need = SessionNeed { until: at(3600), longer_than: None };
        let wanted = WantedSession { key, base: None, ca_bundle: None, flow };
        assert!(matches!(
            sessions.find(&Key::new(namespace, name), wanted, need, at(0)),
            FoundSession::Pending(_)
        ));
    };
    for number in 0..100 {
        ask("flood", &number.to_string());
    }
    ask("quiet", "a");
    let running = asked(&sessions);
    assert_eq!(running.iter().filter(|wanted| wanted.flow == "flood").count(), 5);
    assert!(running.iter().any(|wanted| wanted.flow == "quiet"));
    // One that ends gives its place away.
    sessions.answered(
        running.iter().find(|wanted| wanted.flow == "flood").unwrap(),
        Err(SessionFailure::Bug),
        at(0),
    );
    assert_eq!(asked(&sessions).len(), 1);
}

/// Another leader may have got sessions meanwhile. Nobody else asks again for a volume.
#[test]
fn a_term_begins_with_the_failures_of_volumes_alone() {
    let sessions = Sessions::default();
    let fail = |name: &str, policy: &str| {
        assert!(matches!(find(&sessions, "n", name, policy, 0), FoundSession::Pending(_)));
        sessions.answered(&asked(&sessions)[0], Err(SessionFailure::Bug), at(0));
    };
    let note = |for_volume| sessions.note_account_failure(&signer(), Some(&SessionFailure::Bug), for_volume);
    let is_known = || sessions.failure_of(&signer()).is_some();

    fail("a", "p");
    assert!(matches!(find(&sessions, "n", "later", "p", 1), FoundSession::Failed(_)));
    note(None);
    assert!(is_known());
    sessions.end_failures_of_objects(at(1));
    assert!(!is_known());
    assert!(matches!(find(&sessions, "n", "a", "p", 1), FoundSession::Pending(_)));
    let woken = sessions.answered(&asked(&sessions)[0], Ok(session(1, 3601)), at(1));
    assert!(woken.contains(&Key::new("n", "later")), "it does not ask again before its own backoff ends");

    fail("volume:b", "q");
    sessions.end_failures_of_objects(at(2));
    assert!(matches!(find(&sessions, "n", "volume:b", "q", 1), FoundSession::Failed(_)));

    note(Some(at(10)));
    sessions.end_failures_of_objects(at(10 + FAILURE_KEPT));
    assert!(is_known());
    sessions.end_failures_of_objects(at(11 + FAILURE_KEPT));
    assert!(!is_known());
}
