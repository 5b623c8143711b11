//! What one namespace or signer with many sessions costs the others, and what is kept.

use super::super::certificates::MAX_CERTIFICATES;
use super::super::users::{MAX_OF_VOLUMES, SessionUsers};
use super::*;

#[test]
fn a_broken_signer_of_many_namespaces_leaves_room_for_another_at_the_same_sts() {
    let (mut queue, mut other) = (CallQueue::new(LIMITS), (*key("p")).clone());
    for number in 0..100 {
        let flow = format!("n{number}");
        queue.push(WantedSession { key: key("p"), base: None, ca_bundle: None, flow });
    }
    other.owner = SessionOwner::Signer("healthy".to_owned());
    queue.push(WantedSession { key: Arc::new(other), base: None, ca_bundle: None, flow: "z".to_owned() });
    let running: Vec<_> = std::iter::from_fn(|| queue.pop(|_| true)).collect();
    assert_eq!(
        running.iter().map(|call| call.flow.as_str()).collect::<Vec<_>>(),
        ["n0", "n1", "n2", "n3", "n4", "z"]
    );
    queue.ended(&running[0]);
    assert_eq!(queue.pop(|_| true).map(|call| call.flow).as_deref(), Some("n5"));
}

/// A request with certificates of its own for one of two servers.
fn with_certificates(number: usize, region: &str, text: &str) -> WantedSession {
    let mut key = (*of_namespace("n", &number.to_string())).clone();
    key.spec.sts.region = region.to_owned();
    key.ca_bundle = Some(Digest::of(text));
    WantedSession { key: Arc::new(key), base: None, ca_bundle: Some(Arc::from(text)), flow: "n".to_owned() }
}

fn ask(sessions: &Sessions, number: usize, wanted: WantedSession, now: i64) -> FoundSession {
    let need = SessionNeed { until: at(now + 3600), longer_than: None };
    sessions.find(&Key::new("n", &number.to_string()), wanted, need, at(now))
}

#[test]
fn ten_thousand_requests_with_the_same_certificates_share_them_and_hold_up_no_other_server() {
    let sessions = Sessions::default();
    for number in 0..10_000 {
        let found = ask(&sessions, number, with_certificates(number, "eu-west-1", "same"), 0);
        assert!(matches!(found, FoundSession::Pending(_)));
    }
    ask(&sessions, 10_000, with_certificates(10_000, "eu-east-1", "same"), 0);
    let texts: BTreeSet<_> = {
        let mut running = asked(&sessions);
        // Those of one server leave a place for the other.
        assert!(running.iter().any(|wanted| wanted.key.spec.sts.region == "eu-east-1"), "{}", running.len());
        let text = |wanted: &WantedSession| wanted.ca_bundle.as_ref().unwrap().as_ptr().addr();
        let texts = running.iter().map(text).collect();
        for wanted in running.drain(..) {
            assert!(!sessions.answered(&wanted, Err(SessionFailure::Bug), at(0)).is_empty());
        }
        texts
    };
    assert_eq!(texts.len(), 1);
}

#[test]
fn requests_with_many_different_certificates_are_refused_until_some_are_answered() {
    let sessions = Sessions::default();
    for number in 0..MAX_CERTIFICATES {
        let wanted = with_certificates(number, "eu-west-1", &number.to_string());
        assert!(matches!(ask(&sessions, number, wanted, 0), FoundSession::Pending(_)));
    }
    let more = || with_certificates(MAX_CERTIFICATES, "eu-west-1", "one more");
    let refused = ask(&sessions, MAX_CERTIFICATES, more(), 0);
    assert!(matches!(refused, FoundSession::Failed(SessionFailure::TooManyCertificates)));
    // One without certificates waits for nobody.
    assert!(matches!(find(&sessions, "n", "plain", "plain", 0), FoundSession::Pending(_)));
    for wanted in asked(&sessions) {
        sessions.answered(&wanted, Ok(session(0, 3600)), at(0));
    }
    assert!(matches!(ask(&sessions, MAX_CERTIFICATES, more(), 1), FoundSession::Pending(_)));
    // The last answer leaves nothing behind.
    loop {
        let running = asked(&sessions);
        if running.is_empty() {
            break;
        }
        for wanted in running {
            sessions.answered(&wanted, Ok(session(0, 3600)), at(1));
        }
    }
    assert!(sessions.cache.read().certificates.is_empty());
}

#[test]
fn a_session_at_hand_prolongs_a_url_while_the_sts_does_not_answer() {
    let sessions = Sessions::default();
    find(&sessions, "n", "a", "p", 0);
    let wanted = asked(&sessions).pop().unwrap();
    sessions.answered(&wanted, Ok(session(0, 3600)), at(0));
    let renew = |now, current| {
        let need = SessionNeed { until: at(5401), longer_than: Some(at(current)) };
        let wanted = WantedSession { key: key("p"), base: None, ca_bundle: None, flow: "n".to_owned() };
        sessions.find(&Key::new("n", "a"), wanted, need, at(now))
    };
    assert!(matches!(renew(1800, 3000), FoundSession::Pending(_)));
    assert!(matches!(renew(1809, 3000), FoundSession::Pending(_)));
    assert!(matches!(renew(1810, 3000), FoundSession::Ready(_)), "ten minutes more");
    assert!(matches!(renew(1825, 3600), FoundSession::Pending(_)), "it would gain nothing");
}

#[test]
fn the_oldest_sessions_of_an_owner_make_room_for_new_ones() {
    let sessions = Sessions::default();
    let count = 3000;
    for number in 0..count {
        let (name, policy) = (number.to_string(), format!("{number}{}", "p".repeat(8000)));
        find(&sessions, "n", &name, &policy, number);
        let wanted = asked(&sessions).pop().unwrap();
        sessions.answered(&wanted, Ok(session(number, number + 9999)), at(number));
    }
    let left = sessions.expirations();
    assert!((500..1100).contains(&left.len()), "{}", left.len());
    let newest = at(count - 1 + 9999);
    assert!(left.iter().any(|(_, end)| *end == newest), "the newest is there");
    assert!(!sessions.cache.read().by_object.contains_key(&Key::new("n", "0")), "the oldest is gone");
    // What is left is counted to the last byte.
    for number in 0..count {
        sessions.forget(&Key::new("n", &number.to_string()));
    }
    let cache = sessions.cache.read();
    assert!(cache.entries.is_empty() && cache.by_object.is_empty() && cache.held.is_empty());
}

#[test]
fn what_is_known_of_a_service_account_is_over_with_another_spec_and_with_the_signer() {
    let (sessions, signer) = (Sessions::default(), signer());
    let failure = SessionFailure::NoAccount { account: "a".to_owned() };
    assert!(sessions.note_account_failure(&signer, Some(&failure), None));
    assert!(!sessions.note_account_failure(&signer, Some(&failure), None));
    assert_eq!(sessions.failure_of(&signer), Some(failure.clone()));
    let mut edited = signer.clone();
    edited.generation += 1;
    assert_eq!(sessions.failure_of(&edited), None);
    sessions.forget_account_failure(&signer.id);
    assert_eq!(sessions.failure_of(&signer), None);
    assert!(sessions.cache.read().accounts.is_empty());
}

#[test]
fn the_answer_to_a_volume_about_a_signer_is_shown_for_a_while_although_no_object_uses_it() {
    let (sessions, signer) = (Sessions::default(), signer());
    let failure = SessionFailure::NoAccount { account: "a".to_owned() };
    assert!(sessions.note_account_failure(&signer, Some(&failure), Some(at(100))));
    sessions.forget_unused_account_failure(&signer.id, at(100 + FAILURE_KEPT));
    assert_eq!(sessions.failure_of(&signer), Some(failure.clone()));
    sessions.forget_unused_account_failure(&signer.id, at(101 + FAILURE_KEPT));
    assert_eq!(sessions.failure_of(&signer), None);
    assert!(sessions.note_account_failure(&signer, Some(&failure), None));
    sessions.forget_unused_account_failure(&signer.id, at(100));
    assert_eq!(sessions.failure_of(&signer), None);
}

#[test]
fn an_answer_is_shown_for_as_long_as_a_volume_gets_it_again_and_again() {
    let (sessions, signer) = (Sessions::default(), signer());
    let failure = SessionFailure::NoAccount { account: "a".to_owned() };
    // An object gets it first, and is deleted.
    assert!(sessions.note_account_failure(&signer, Some(&failure), None));
    for second in [0, 100, 200, 300] {
        assert!(!sessions.note_account_failure(&signer, Some(&failure), Some(at(second))));
        // What another object gets does not make it older.
        assert!(!sessions.note_account_failure(&signer, Some(&failure), None));
        sessions.forget_unused_account_failure(&signer.id, at(second + FAILURE_KEPT));
        assert_eq!(sessions.failure_of(&signer), Some(failure.clone()), "{second}");
    }
    // Nor does another failure.
    let other = SessionFailure::unreadable("a");
    assert!(sessions.note_account_failure(&signer, Some(&other), None));
    sessions.forget_unused_account_failure(&signer.id, at(300 + FAILURE_KEPT));
    assert_eq!(sessions.failure_of(&signer), Some(other));
    sessions.forget_unused_account_failure(&signer.id, at(301 + FAILURE_KEPT));
    assert_eq!(sessions.failure_of(&signer), None);
}

#[test]
fn the_volumes_of_a_namespace_use_so_many_sessions_and_no_more() {
    let (mut users, key) = (SessionUsers::default(), key("p"));
    let user = |namespace: &str, number: usize| Key::new(namespace, &format!("volume:{number:016x}"));
    for number in 0..MAX_OF_VOLUMES {
        assert!(users.has_capacity(&user("n", number)));
        users.insert(user("n", number), key.clone());
        users.insert(user("n", number), key.clone());
    }
    assert!(!users.has_capacity(&user("n", MAX_OF_VOLUMES)) && users.has_capacity(&user("n", 0)));
    assert!(users.has_capacity(&user("other", 0)) && users.has_capacity(&Key::new("n", "object")));
    for number in 0..MAX_OF_VOLUMES {
        assert!(users.remove(&user("n", number)).is_some());
    }
    assert!(users.is_empty());
}
