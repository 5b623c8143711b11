//! Which questions are asked, when, and what becomes of their answers.

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::domain::policy::Asker;
use crate::domain::resolve::{Permission, Resolved};
use crate::domain::verification::VerifyOutage;
use crate::domain::{Credentials, Request, Sensitive, Validity};

const HOST: &str = "https://s3.example";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_893_456_000 + second).unwrap()
}

fn question(authority: &str) -> StoreQuestion {
    let spec = json!({
        "bucket": "reports", "key": "k", "verify": "Always",
        "s3": {"endpoint": HOST, "region": "r", "credentials": {"secretRef": {"name": "keys"}}},
    });
    let spec = serde_json::from_value(spec).unwrap();
    let request = Request::inline(Asker::new("n", "a"), &spec, None).unwrap();
    let text = |text: &str| Sensitive::new(text.to_owned());
    let credentials = Credentials {
        access_key_id: text("AKIA"),
        secret_access_key: text("secret"),
        session_token: None,
        expiration: None,
    };
    StoreQuestion {
        resolved: Arc::new(Resolved { request, permission: Permission::NotNeeded }),
        credentials: Arc::new(credentials),
        validity: Validity { signing_time: at(0), lifetime: 3600 },
        authority: authority.to_owned(),
    }
}

fn answer(finding: Finding) -> Option<VerifyAnswer> {
    let message = finding.message(&VerifyPlace::default());
    Some(VerifyAnswer { at: at(1), finding, message })
}

fn timeout() -> Option<VerifyAnswer> {
    answer(Finding::Unreachable(VerifyOutage::Timeout))
}

fn key(name: &str) -> Key {
    Key::new("n", name)
}

/// Verifications without a way to stores: what is asked is taken out by the test.
struct Story {
    verifications: Verifications,
    now: Instant,
}

impl Story {
    fn new() -> Self {
        Self { verifications: Verifications::new(None), now: Instant::now() }
    }

    fn issue(&self, name: &str, authority: &str) {
        self.verifications.issued(&key(name), "u", Some(question(authority)), false);
    }

    fn due(&self) -> Option<DueQuestion> {
        self.verifications.cache.write().next(self.now).0
    }

    /// All questions that may be asked by then, each at its time.
    fn all_due(&mut self, seconds: u64) -> Vec<DueQuestion> {
        let (mut found, until) = (Vec::new(), self.now + Duration::from_secs(seconds));
        while self.now <= until {
            found.extend(std::iter::from_fn(|| self.due()));
            self.now += hosts::SPACING;
        }
        found
    }

    fn answered(&self, due: &DueQuestion, answer: Option<VerifyAnswer>) -> bool {
        self.verifications.answered(due, answer, self.now)
    }

    fn news(&self, name: &str) -> VerifyNews {
        self.verifications.known(&key(name), "u")
    }
}

#[test]
fn an_answer_is_kept_until_it_is_reported() {
    let story = Story::new();
    assert_eq!(story.news("a"), VerifyNews::Unchanged);
    story.issue("a", HOST);
    assert_eq!(story.news("a"), VerifyNews::Asking);
    story.verifications.reported(&key("a"), "u", &VerifyNews::Asking);
    let due = story.due().unwrap();
    assert!(story.answered(&due, answer(Finding::Accepted)));
    let news = story.news("a");
    assert!(matches!(&news, VerifyNews::Answered(answer) if answer.finding == Finding::Accepted));
    story.verifications.reported(&key("a"), "u", &VerifyNews::Asking);
    assert_eq!(story.news("a"), news, "another report does not count");
    story.verifications.reported(&key("a"), "u", &news);
    assert!(story.verifications.cache.read().entries.is_empty());
}

#[test]
fn the_answer_about_another_url_or_object_is_dropped() {
    let mut story = Story::new();
    story.issue("a", HOST);
    let due = story.due().unwrap();
    story.issue("a", HOST);
    assert!(!story.answered(&due, answer(Finding::UnknownKey)), "another URL was written");
    assert_eq!(story.news("a"), VerifyNews::Asking);
    let due = story.all_due(1).pop().unwrap();
    story.verifications.forget(&key("a"));
    assert!(!story.answered(&due, answer(Finding::UnknownKey)), "it was deleted");
    assert_eq!(story.news("a"), VerifyNews::Unchanged);
    story.issue("a", HOST);
    assert_eq!(story.verifications.known(&key("a"), "another uid"), VerifyNews::Unchanged);
}

#[test]
fn a_question_that_is_out_of_date_is_not_asked() {
    let mut story = Story::new();
    for _ in 0..5 {
        story.issue("a", HOST);
    }
    story.issue("b", HOST);
    story.verifications.forget(&key("b"));
    let due = story.all_due(5);
    assert_eq!(due.len(), 1);
    assert!(story.verifications.cache.read().queue.is_empty());
}

#[test]
fn a_renewal_keeps_the_report_until_there_is_an_answer() {
    let story = Story::new();
    story.verifications.issued(&key("a"), "u", None, true);
    assert_eq!(story.news("a"), VerifyNews::Renewed);
    story.verifications.reported(&key("a"), "u", &VerifyNews::Renewed);
    assert_eq!(story.news("a"), VerifyNews::Unchanged);
    story.verifications.issued(&key("a"), "u", Some(question(HOST)), true);
    story.verifications.reported(&key("a"), "u", &VerifyNews::Renewed);
    assert_eq!(story.news("a"), VerifyNews::Renewed);
}

#[test]
fn a_store_that_gives_no_answer_is_asked_by_few_and_more_and_more_rarely() {
    let mut story = Story::new();
    for number in 0..1000 {
        story.issue(&number.to_string(), HOST);
    }
    story.verifications.issued(&Key::new("other", "a"), "u", Some(question("https://other")), false);
    let (mut asked, mut others) = (0, 0);
    // Fifteen minutes, in which every question takes five seconds to fail.
    for _ in 0..180 {
        let mut running = Vec::new();
        while let Some(due) = story.due() {
            match due.outage {
                Some(_) => {
                    story.answered(&due, timeout());
                }
                None if due.queued.authority == HOST => running.push(due),
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
    assert!(matches!(story.news("a"), VerifyNews::Answered(answer) if answer.finding == Finding::Accepted));
    assert!(story.verifications.cache.read().again.is_empty());
}

#[test]
fn one_store_is_asked_by_four_at_a_time_and_twenty_times_a_second() {
    let mut story = Story::new();
    for number in 0..100 {
        story.issue(&number.to_string(), HOST);
    }
    assert_eq!(story.all_due(1).len(), 4);
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

#[test]
fn not_more_questions_wait_than_there_is_room_for() {
    let story = Story::new();
    for number in 0..=MOST_WAITING {
        story.issue(&number.to_string(), HOST);
    }
    let news = story.news(&MOST_WAITING.to_string());
    let VerifyNews::Answered(answer) = news else { panic!("{news:?}") };
    assert_eq!(answer.finding, Finding::NotAsked(NotAsked::Overloaded));
    assert_eq!(story.verifications.cache.read().queue.len(), MOST_WAITING);
}

#[test]
fn an_operator_that_may_ask_no_store_says_so() {
    let story = Story::new();
    let news = |when| story.verifications.news(&key("a"), "u", when);
    assert_eq!(news(None), VerifyNews::Unjudged);
    assert_eq!(news(Some(Verify::None)), VerifyNews::NotWanted);
    assert_eq!(news(Some(Verify::Once)), VerifyNews::Disabled);
}
