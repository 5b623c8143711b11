//! Which questions are asked, when, and what becomes of their answers.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

mod crowds;
mod outages;

use super::cache::MAX_OPEN;
use super::*;
use crate::domain::policy::Requester;
use crate::domain::resolve::{Permission, Resolved};
use crate::domain::stored::{Digest, UrlDigest};
use crate::domain::verification::VerifyOutage;
use crate::domain::{Credentials, Sensitive, Validity};

const HOST: &str = "s3.example:443";
/// The URL that an object has unless a test says another.
const URL: i64 = 0;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_893_456_000 + second).unwrap()
}

fn request() -> Request {
    let spec = json!({
        "bucket": "reports", "key": "k", "verify": "Always",
        "s3": {"endpoint": "https://s3.example", "region": "r", "credentials": {"secretRef": {"name": "keys"}}},
    });
    Request::inline(Requester::new("n", "a"), &serde_json::from_value(spec).unwrap(), None).unwrap()
}

fn question(route: StoreRoute) -> StoreQuestion {
    let text = |text: &str| Sensitive::new(text.to_owned());
    let credentials = Credentials {
        access_key_id: text("AKIA"),
        secret_access_key: text("secret"),
        session_token: None,
        expiration: None,
    };
    StoreQuestion {
        resolved: Arc::new(Resolved { request: request(), permission: Permission::NotNeeded }),
        credentials: Arc::new(credentials),
        validity: Validity { signing_time: at(0), lifetime: 3600 },
        route,
    }
}

/// One of the URLs that an object has one after the other.
fn url(number: i64) -> UrlDigest {
    let digest = Digest::of(&number.to_string());
    let validity = Validity { signing_time: at(number), lifetime: 3600 };
    UrlDigest { validity, address: digest, text: digest, identity: digest, signature: digest }
}

fn seen(number: i64) -> Seen {
    let digest = url(number);
    Seen::Url(ReportedUrl {
        digest: Some(Box::new(digest)),
        ..ReportedUrl::new(&request(), digest.validity, None, 0)
    })
}

#[expect(clippy::unnecessary_wraps, reason = "it stands for what a question comes to, which can be nothing")]
fn answer(finding: Finding) -> Option<VerifyAnswer> {
    let message = finding.message(&VerifyPlace::default());
    Some(VerifyAnswer { at: at(1), finding, message })
}

fn unreachable(outage: VerifyOutage) -> Option<VerifyAnswer> {
    answer(Finding::Unreachable(outage))
}

fn timeout() -> Option<VerifyAnswer> {
    unreachable(VerifyOutage::Timeout)
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

    fn issue(&self, name: &str, host: &str) {
        self.issue_url(&key(name), URL, StoreRoute::public(host, None), true);
    }

    fn issue_url(&self, key: &Key, number: i64, route: StoreRoute, is_stored: bool) {
        let written = WrittenUrl { url: url(number), is_stored, is_renewal: false };
        self.verifications.issued(key, "u", &written, Some(question(route)));
    }

    fn renew(&self, name: &str, question: Option<StoreQuestion>) {
        let written = WrittenUrl { url: url(URL), is_stored: true, is_renewal: true };
        self.verifications.issued(&key(name), "u", &written, question);
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
        self.news_of(name, &seen(URL))
    }

    fn news_of(&self, name: &str, seen: &Seen) -> VerifyNews {
        self.verifications.cached(&key(name), "u", seen)
    }

    fn status_is_current(&self, name: &str, news: &VerifyNews) {
        self.verifications.status_is_current(&key(name), news);
    }

    /// How many questions are open, how many wait, and how many are asked again.
    fn counts(&self) -> (usize, usize, usize) {
        let cache = self.verifications.cache.read();
        let open = cache.entries.values().filter(|entry| entry.question.is_some()).count();
        assert_eq!(open, cache.open.taken());
        (open, cache.queue.len(), cache.again.len())
    }
}

fn is_answered(news: &VerifyNews, finding: &Finding) -> bool {
    matches!(news, VerifyNews::Answered(answer) if answer.finding == *finding)
}

#[test]
fn an_answer_is_kept_until_it_is_reported() {
    let story = Story::new();
    assert_eq!(story.news("a"), VerifyNews::Unchanged);
    story.issue("a", HOST);
    assert_eq!(story.news("a"), VerifyNews::Asking);
    story.status_is_current("a", &VerifyNews::Asking);
    let due = story.due().unwrap();
    assert!(story.answered(&due, answer(Finding::Accepted)));
    let news = story.news("a");
    assert!(is_answered(&news, &Finding::Accepted));
    story.status_is_current("a", &VerifyNews::Asking);
    assert_eq!(story.news("a"), news, "another report does not count");
    story.status_is_current("a", &news);
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
    assert_eq!(story.verifications.cached(&key("a"), "another uid", &seen(URL)), VerifyNews::Unchanged);
}

#[test]
fn what_is_known_of_a_url_is_not_said_of_the_one_that_another_leader_wrote() {
    let story = Story::new();
    for name in ["answered", "asking"] {
        story.issue(name, HOST);
        story.verifications.saw(&key(name), &seen(URL));
    }
    let due = story.due().unwrap();
    assert!(story.answered(&due, answer(Finding::Accepted)));
    // The lease is lost, another process writes URLs, and this one leads again.
    for name in ["answered", "asking"] {
        assert_eq!(story.news_of(name, &seen(1)), VerifyNews::Unchanged, "{name}");
        assert_ne!(story.news(name), VerifyNews::Unchanged, "{name}");
        story.verifications.saw(&key(name), &Seen::Unknown);
        assert_ne!(story.news(name), VerifyNews::Unchanged, "{name}: nobody knows what the Secret holds");
        story.verifications.saw(&key(name), &seen(1));
        assert_eq!(story.news(name), VerifyNews::Unchanged, "{name}");
    }
    assert_eq!(story.counts(), (0, 0, 0));
}

#[test]
fn a_url_that_may_have_been_written_is_asked_about_once_it_is_seen() {
    let mut story = Story::new();
    let route = || StoreRoute::public(HOST, None);
    story.issue("a", HOST);
    story.issue_url(&key("a"), 1, route(), false);
    assert!(story.all_due(1).is_empty(), "neither is asked: the other one may be in the Secret");
    assert_eq!(story.news("a"), VerifyNews::Unchanged, "the report is still about the earlier one");
    story.verifications.saw(&key("a"), &seen(1));
    assert_eq!(story.news_of("a", &seen(1)), VerifyNews::Asking);
    let due = story.due().unwrap();
    assert!(story.answered(&due, answer(Finding::NoSuchKey)));
    assert!(is_answered(&story.news_of("a", &seen(1)), &Finding::NoSuchKey));

    story.issue_url(&key("b"), 1, route(), false);
    story.verifications.saw(&key("b"), &seen(URL));
    assert_eq!(story.news_of("b", &seen(1)), VerifyNews::Unchanged, "it was not written");
    assert_eq!(story.counts(), (0, 0, 0));
}

#[test]
fn a_question_ends_with_its_url() {
    let story = Story::new();
    for number in 0..3 {
        story.issue(&number.to_string(), HOST);
    }
    story.verifications.saw(&key("0"), &Seen::Nothing);
    let due = story.due().unwrap();
    story.verifications.withdraw(&due.queued.key);
    assert!(!story.answered(&due, answer(Finding::Accepted)), "it is denied, and not asked about any more");
    assert_eq!(story.news(due.queued.key.name()), VerifyNews::Unchanged);
    assert_eq!(story.counts(), (1, 1, 0));
}

#[test]
fn a_denial_keeps_an_answer_and_ends_the_question() {
    let mut story = Story::new();
    story.issue("a", HOST);
    let due = story.due().unwrap();
    story.answered(&due, timeout());
    let news = story.news("a");
    story.verifications.withdraw(&key("a"));
    assert_eq!(story.news("a"), news, "it is still about the URL");
    assert!(story.all_due(600).is_empty());
    assert_eq!(story.counts(), (0, 0, 0));
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
    story.renew("a", None);
    assert_eq!(story.news("a"), VerifyNews::Renewed);
    story.status_is_current("a", &VerifyNews::Renewed);
    assert_eq!(story.news("a"), VerifyNews::Unchanged);
    story.renew("a", Some(question(StoreRoute::public(HOST, None))));
    story.status_is_current("a", &VerifyNews::Renewed);
    assert_eq!(story.news("a"), VerifyNews::Renewed);
}

#[test]
fn an_operator_that_may_ask_no_store_says_so() {
    let story = Story::new();
    let news = |when| story.verifications.news(&key("a"), "u", when, &seen(URL));
    assert_eq!(news(None), VerifyNews::Unjudged);
    assert_eq!(news(Some(Verify::None)), VerifyNews::NotWanted);
    assert_eq!(news(Some(Verify::Once)), VerifyNews::Disabled);
}
