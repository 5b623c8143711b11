//! Many questions at once: of one store, of one namespace, and about one object.

use super::*;

#[test]
fn one_store_is_asked_by_four_at_a_time_and_twenty_times_a_second() {
    let mut story = Story::new();
    for number in 0..100 {
        story.issue(&number.to_string(), HOST);
    }
    assert_eq!(story.all_due(1).len(), 3, "one namespace leaves a place to the others");
    for number in 0..100 {
        let key = Key::new("another", &number.to_string());
        story.issue_url(&key, URL, StoreRoute::public(HOST, None), true);
    }
    let due = story.all_due(1);
    assert_eq!(due.iter().map(|due| due.queued.key.namespace()).collect::<Vec<_>>(), ["another"]);
    let mut story = Story::new();
    for number in 0..100 {
        story.issue(&number.to_string(), HOST);
    }
    let (mut asked, until) = (0, story.now + Duration::from_secs(1));
    while story.now < until {
        while let Some(due) = story.due() {
            asked += 1;
            story.answered(&due, answer(Finding::Accepted));
        }
        story.now += Duration::from_millis(10);
    }
    assert_eq!(asked, 20);
}

fn overloaded() -> Finding {
    Finding::NotAsked(NotAsked::Overloaded)
}

#[test]
fn a_namespace_gets_half_of_the_room_and_another_one_still_some() {
    let story = Story::new();
    for number in 0..MAX_OPEN {
        story.issue(&number.to_string(), HOST);
    }
    assert_eq!(story.counts(), (MAX_OPEN / 2, MAX_OPEN / 2, 0));
    assert!(is_answered(&story.news(&(MAX_OPEN / 2).to_string()), &overloaded()));
    for number in 0..MAX_OPEN / 4 {
        let key = Key::new("another", &number.to_string());
        story.issue_url(&key, URL, StoreRoute::public(HOST, None), true);
        let news = story.verifications.cached(&key, "u", &seen(URL));
        assert_eq!(news, VerifyNews::Asking, "{number}");
    }
}

#[test]
fn questions_that_run_or_are_asked_again_take_room_too() {
    let mut story = Story::new();
    story.issue("again", HOST);
    let due = story.due().unwrap();
    story.answered(&due, timeout());
    story.now += Duration::from_secs(20);
    story.issue("runs", HOST);
    let due = story.due().unwrap();
    for number in 2..MAX_OPEN {
        story.issue(&number.to_string(), HOST);
    }
    assert_eq!(story.counts(), (MAX_OPEN / 2, MAX_OPEN / 2 - 2, 1));
    story.issue("refused", HOST);
    assert!(is_answered(&story.news("refused"), &overloaded()));
    // One that ends makes room for another one.
    assert!(story.answered(&due, answer(Finding::Accepted)));
    story.issue("another", HOST);
    assert_eq!(story.news("another"), VerifyNews::Asking);
    story.issue("refused", HOST);
    assert!(is_answered(&story.news("refused"), &overloaded()));
}

#[test]
fn an_object_that_is_written_again_and_again_takes_one_place() {
    let mut story = Story::new();
    story.issue("a", HOST);
    story.issue("b", HOST);
    for number in 0..2 * MAX_OPEN {
        story.issue_url(&key("a"), i64::try_from(number).unwrap(), StoreRoute::public(HOST, None), true);
    }
    assert_eq!(story.counts(), (2, 2, 0));
    let due = story.all_due(1);
    let names: Vec<_> = due.iter().map(|due| due.queued.key.name()).collect();
    assert_eq!(names, ["a", "b"], "it keeps its place");
    // The same while it is to be asked again.
    for due in &due {
        story.answered(due, timeout());
    }
    assert_eq!(story.counts(), (2, 0, 2));
    for _ in 0..3 {
        story.issue("a", HOST);
    }
    assert_eq!(story.counts(), (2, 1, 1));
    story.verifications.forget(&key("a"));
    story.verifications.forget(&key("b"));
    assert_eq!(story.counts(), (0, 0, 0));
}

#[test]
fn an_object_that_moves_to_another_store_is_asked_there() {
    let mut story = Story::new();
    story.issue("a", HOST);
    story.issue("a", "other");
    let due = story.all_due(1);
    let hosts: Vec<_> = due.iter().map(|due| due.queued.question.route.authority().as_str()).collect();
    assert_eq!(hosts, ["other:443"]);
}
