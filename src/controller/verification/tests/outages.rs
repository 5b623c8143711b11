//! Stores that give no answer: who notices, and how often they are asked.

use super::*;

#[test]
fn a_store_that_gives_no_answer_is_asked_by_few_and_more_and_more_rarely() {
    let mut story = Story::new();
    for number in 0..1000 {
        story.issue(&number.to_string(), HOST);
    }
    story.issue_url(&Key::new("other", "a"), URL, StoreRoute::public("other", None), true);
    let (mut asked, mut others) = (0, 0);
    // Fifteen minutes, in which every question takes five seconds to fail.
    for _ in 0..180 {
        let mut running = Vec::new();
        while let Some(due) = story.due() {
            match due.outage {
                Some(_) => {
                    story.answered(&due, timeout());
                }
                None if due.queued.question.route.authority() == HOST => running.push(due),
                None => {
                    others += 1;
                    story.answered(&due, answer(Finding::Accepted));
                }
            }
        }
        asked += running.len();
        story.now += Duration::from_secs(5);
        for due in &running {
            story.answered(due, timeout());
        }
    }
    assert_eq!(others, 1);
    assert!((2..=100).contains(&asked), "{asked}");
    let cache = story.verifications.cache.read();
    assert!(cache.again.is_empty() && cache.queue.is_empty());
    assert!(cache.entries.values().all(|entry| entry.question.is_none()), "all gave up");
}

#[test]
fn the_same_outage_is_reported_once_and_an_answer_after_it_too() {
    let mut story = Story::new();
    story.issue("a", HOST);
    let due = story.due().unwrap();
    assert!(story.answered(&due, timeout()));
    let first = story.news("a");
    story.now += Duration::from_secs(PAUSES[0]);
    let due = story.due().unwrap();
    assert!(due.outage.is_none(), "enough time has passed");
    assert!(!story.answered(&due, timeout()));
    assert_eq!(story.news("a"), first, "at the time of the first");
    story.now += Duration::from_secs(PAUSES[1]);
    let due = story.due().unwrap();
    assert!(story.answered(&due, answer(Finding::Accepted)));
    assert!(is_answered(&story.news("a"), &Finding::Accepted));
    assert!(story.verifications.cache.read().again.is_empty());
}

/// Lets one object be asked about on each route, with these answers, and returns why the store is not asked on
/// the last of them.
fn after(answers: &[(Option<&str>, Finding)]) -> Option<VerifyOutage> {
    let mut story = Story::new();
    let mut outage = None;
    for (number, (ca_bundle, finding)) in answers.iter().enumerate() {
        story.issue_url(&Key::new(&number.to_string(), "a"), URL, StoreRoute::public(HOST, *ca_bundle), true);
        let due = story.due().unwrap();
        outage = due.outage;
        story.answered(&due, answer(finding.clone()));
        story.now += hosts::SPACING;
    }
    outage
}

#[test]
fn only_what_nobody_reaches_is_left_alone_by_everyone() {
    use VerifyOutage::{Busy, Cut, Fault, Garbage, Timeout, Tls, Unconnected, Unresolved};
    let last = (None, Finding::Accepted);
    for outage in [Unresolved, Unconnected] {
        let first = (None, Finding::Unreachable(outage));
        assert_eq!(after(&[first, last.clone()]), Some(outage));
    }
    for outage in [Timeout, Cut] {
        let down = (None, Finding::Unreachable(outage));
        assert_eq!(after(&[down.clone(), last.clone()]), None, "one namespace alone met it");
        assert_eq!(after(&[down.clone(), down.clone(), last.clone()]), Some(outage));
        let between = (None, Finding::NoSuchKey);
        assert_eq!(after(&[down.clone(), between, down, last.clone()]), None, "another one had an answer");
    }
    for finding in [
        Finding::Unreachable(Tls),
        Finding::Unreachable(Garbage),
        Finding::Unreachable(Busy),
        Finding::Unreachable(Fault(500)),
        Finding::Rejected { status: 400 },
        Finding::NotAsked(NotAsked::Impossible),
    ] {
        assert_eq!(after(&[(None, finding.clone()), last.clone()]), None, "{finding:?}");
    }
}

#[test]
fn another_way_to_the_store_tells_nothing_of_this_one() {
    let down = Finding::Unreachable(VerifyOutage::Unconnected);
    let last = (None, Finding::Accepted);
    assert_eq!(after(&[(Some("theirs"), down.clone()), last.clone()]), None);
    let asked = after(&[(None, down), (Some("theirs"), Finding::Accepted), last]);
    assert_eq!(asked, Some(VerifyOutage::Unconnected), "nor that it is well");
}

#[test]
fn a_namespace_whose_questions_hang_keeps_no_other_from_the_store() {
    let mut story = Story::new();
    let (mut answered, mut hung) = (0, 0);
    for number in 0..100 {
        story.issue(&number.to_string(), HOST);
    }
    let mut running: Vec<DueQuestion> = Vec::new();
    for second in 0..60 {
        let other = Key::new("other", &second.to_string());
        story.issue_url(&other, URL, StoreRoute::public(HOST, None), true);
        let due = story.all_due(1);
        for due in due {
            match (due.queued.key.namespace(), due.outage) {
                ("other", outage) => {
                    assert_eq!(outage, None, "second {second}");
                    answered += 1;
                    story.answered(&due, answer(Finding::Accepted));
                }
                (_, None) => running.push(due),
                (_, Some(_)) => {
                    story.answered(&due, timeout());
                }
            }
        }
        let is_over = |due: &mut DueQuestion| story.now >= due.begun + Duration::from_secs(5);
        for due in running.extract_if(.., is_over) {
            hung += 1;
            story.answered(&due, timeout());
        }
    }
    assert_eq!(answered, 60);
    assert!(hung >= 6, "{hung}");
}

#[test]
fn an_outage_that_one_namespace_alone_still_meets_ends_for_the_others() {
    let mut story = Story::new();
    let ask = |story: &Story, namespace| {
        story.issue_url(&Key::new(namespace, "x"), URL, StoreRoute::public(HOST, None), true);
        story.due().unwrap()
    };
    for (pause, namespace) in [(0, "hangs"), (1, "other"), (11, "hangs"), (21, "hangs")] {
        story.now += Duration::from_secs(pause);
        let due = ask(&story, namespace);
        assert_eq!(due.outage, None, "after {pause} seconds");
        story.answered(&due, timeout());
        story.verifications.forget(&due.queued.key);
    }
    story.now += Duration::from_secs(1);
    assert_eq!(ask(&story, "hangs").outage, Some(VerifyOutage::Timeout));
    story.verifications.forget(&Key::new("hangs", "x"));
    assert_eq!(ask(&story, "other").outage, None);
}

#[test]
fn failures_at_the_same_time_count_once() {
    let mut story = Story::new();
    for number in 0..3 {
        story.issue(&number.to_string(), HOST);
    }
    let due =
        story.all_due(0).into_iter().chain(story.all_due(0)).chain(story.all_due(0)).collect::<Vec<_>>();
    assert_eq!(due.len(), 3);
    for due in &due {
        story.answered(due, timeout());
    }
    story.issue("later", HOST);
    story.now += Duration::from_secs(9);
    assert_eq!(story.due().unwrap().outage, Some(VerifyOutage::Timeout));
    story.issue("much later", HOST);
    story.now += Duration::from_secs(2);
    assert_eq!(story.due().unwrap().outage, None, "after the pause of one failure");
}

#[test]
fn a_question_that_was_not_sent_does_not_say_that_the_store_is_well() {
    let mut story = Story::new();
    for name in ["reaches nothing", "is not sent", "comes later"] {
        story.issue(name, HOST);
    }
    let first = story.due().unwrap();
    story.now += hosts::SPACING;
    let second = story.due().unwrap();
    story.answered(&first, timeout());
    story.answered(&second, answer(Finding::NotAsked(NotAsked::Impossible)));
    story.now += hosts::SPACING;
    assert_eq!(story.due().unwrap().outage, Some(VerifyOutage::Timeout));
}

#[test]
fn every_way_to_a_store_counts_for_how_fast_it_is_asked() {
    let story = Story::new();
    for number in 0..2 {
        let route = StoreRoute::public(HOST, Some(&number.to_string()));
        story.issue_url(&Key::new(&number.to_string(), "a"), URL, route, true);
    }
    assert!(story.due().is_some());
    assert!(story.due().is_none());
}
