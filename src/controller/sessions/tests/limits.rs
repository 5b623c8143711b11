//! What one namespace or signer with many sessions costs the others, and what is kept.

use super::*;

#[test]
fn a_broken_signer_of_many_namespaces_leaves_room_for_another_at_the_same_sts() {
    let (mut queue, mut other) = (TurnQueue::new(LIMITS), (*key("p")).clone());
    for number in 0..100 {
        let turn = format!("n{number}");
        queue.push(WantedSession { key: key("p"), base: None, ca_bundle: None, turn });
    }
    other.owner = SessionOwner::Signer("healthy".to_owned());
    queue.push(WantedSession { key: Arc::new(other), base: None, ca_bundle: None, turn: "z".to_owned() });
    let running: Vec<_> = std::iter::from_fn(|| queue.pop(|_| true)).collect();
    assert_eq!(
        running.iter().map(|call| call.turn.as_str()).collect::<Vec<_>>(),
        ["n0", "n1", "n2", "n3", "z"]
    );
    queue.ended(&running[0]);
    assert_eq!(queue.pop(|_| true).map(|call| call.turn).as_deref(), Some("n4"));
}

#[test]
fn ten_thousand_sessions_of_a_namespace_wait_outside_of_the_queue_and_all_are_got() {
    let sessions = Sessions::default();
    let objects: Vec<_> = (0..10_000).map(|number| format!("o{number}")).collect();
    for name in &objects {
        assert!(matches!(find(&sessions, "n", name, name, 0), FoundSession::Pending(_)));
    }
    assert_eq!(sessions.cache.read().queue.len(), MOST_WAITING);
    let mut got = 0;
    loop {
        let running = asked(&sessions);
        if running.is_empty() {
            break;
        }
        for wanted in running {
            got += 1;
            for woken in sessions.answered(&wanted, Ok(session(0, 3600)), at(0)) {
                find(&sessions, "n", woken.name(), woken.name(), 0);
            }
        }
    }
    assert_eq!(got, 10_000);
    let cache = sessions.cache.read();
    assert!(cache.held_off.is_empty() && cache.queue.is_empty());
}

#[test]
fn an_object_that_is_gone_holds_off_no_other() {
    let sessions = Sessions::default();
    for number in 0..=MOST_WAITING {
        find(&sessions, "n", &number.to_string(), &number.to_string(), 0);
    }
    for number in 0..MOST_WAITING {
        sessions.forget(&Key::new("n", &number.to_string()));
    }
    // It asks again by itself after some seconds.
    assert!(asked(&sessions).is_empty());
    let last = MOST_WAITING.to_string();
    assert!(matches!(find(&sessions, "n", &last, &last, 15), FoundSession::Pending(since) if since == at(0)));
    assert_eq!(asked(&sessions).len(), 1);
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
    assert!(sessions.note_account(&signer, Some(&failure)));
    assert!(!sessions.note_account(&signer, Some(&failure)));
    assert_eq!(sessions.failure_of(&signer), Some(failure.clone()));
    let mut edited = signer.clone();
    edited.generation += 1;
    assert_eq!(sessions.failure_of(&edited), None);
    sessions.forget_account(&signer.id);
    assert_eq!(sessions.failure_of(&signer), None);
    assert!(sessions.cache.read().accounts.is_empty());
}
