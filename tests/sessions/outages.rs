//! The STS fails for a while. Whoever reads the Secrets notices nothing if it is back in time.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use testbed::{StsFault, StsFront};

use crate::harness::{Space, text};
use crate::session_space::{AGAIN, SessionSpace, message};
use crate::stores::{ROLE, numbered};

/// Downloads through the URLs in Secrets, again and again, and fails if one does not work. It never ends.
pub async fn download_repeatedly(space: &Space, secrets: &[String], pause: Duration) {
    loop {
        for name in secrets {
            let content = space.download(name).await;
            assert!(content.is_ok(), "{name}: {content:?}; the operator says:\n{}", space.operator.log());
        }
        tokio::time::sleep(pause).await;
    }
}

/// Waits until the STS was asked so often, for a role or for any.
pub async fn wait_count(front: &StsFront, role: Option<&str>, least: usize) {
    let is_so = testbed::eventually(AGAIN, async || front.count(role) >= least).await;
    assert!(is_so, "{role:?}: {} requests and not {least}", front.count(role));
}

/// How often a session is asked for at most within a time: after 2, 4, 8, 16, 32 and then 60 seconds.
pub fn most_requests(within: Duration) -> usize {
    let waits = [2, 4, 8, 16, 32].into_iter().chain(std::iter::repeat(60));
    let times = waits.scan(0, |time, wait| {
        *time += wait;
        Some(*time)
    });
    1 + times.take_while(|time| *time <= within.as_secs()).count()
}

pub fn refusal(status: u16, code: &'static str) -> StsFault {
    StsFault::Refuse { status, code }
}

/// An object that is renewed while the STS has a fault for its role: the message, then how many requests
/// it takes before the fault ends.
async fn survive(place: &SessionSpace, number: usize, fault: StsFault, said: &str, requests: usize) {
    let (space, role, name) = (&place.space, place.arn(&numbered(number)), format!("object-{number}"));
    let before = space.data(&name, "url").await;
    let begun = Instant::now();
    place.front.fault_for(&role, fault);
    let object = place.wait_again(&name, "True", "RenewalFailing").await;
    let message = message(&object);
    assert!(message.contains(said) && message.contains("works until"), "{name}: {message}");
    assert_eq!(space.data(&name, "url").await, before, "{name}");
    // The first one issued the URL.
    wait_count(&place.front, Some(&role), 1 + requests).await;
    let asked = place.front.count(Some(&role)) - 1;
    assert!(asked <= most_requests(begun.elapsed()), "{name}: {asked} requests");
    place.front.fault_for(&role, StsFault::Delay(Duration::ZERO));
    let is_new = |secret: Option<&_>| (text(secret?, "url") != before).then_some(());
    space.wait_for(AGAIN, space.secrets(), &name, "a new URL", is_new).await;
    place.wait_again(&name, "True", "Issued").await;
}

#[tokio::test]
async fn each_way_to_fail_is_reported_and_ends_before_the_url_does() {
    let place = SessionSpace::brief("outage").await;
    let faults = [
        (StsFault::Hang, "did not answer within 10 seconds", 1),
        (StsFault::Close, "cannot be reached", 3),
        (refusal(503, "ServiceUnavailable"), "has a fault (status 503)", 3),
        (refusal(429, "Throttling"), "fewer requests", 3),
        (StsFault::Html, "has no valid credentials", 3),
        (StsFault::Truncated, "has no valid credentials", 3),
        (StsFault::Endless { bytes: 1 << 20 }, "more than 64 KiB", 3),
    ];
    let unaffected = faults.len();
    let names: Vec<_> = (0..=unaffected).map(|number| format!("object-{number}")).collect();
    let issued = names.iter().enumerate().map(async |(number, name)| {
        place.issue(name, &place.web_identity(&numbered(number)), json!({"expiresIn": "2m"})).await
    });
    join_all(issued).await;
    let story = async {
        let survivals = faults.into_iter().enumerate().map(async |(number, (fault, said, requests))| {
            survive(&place, number, fault, said, requests).await;
        });
        let control = async {
            let name = &names[unaffected];
            let before = place.space.data(name, "url").await;
            let is_new = |secret: Option<&_>| (text(secret?, "url") != before).then_some(());
            place.space.wait_for(AGAIN, place.space.secrets(), name, "a new URL", is_new).await;
            let role = place.arn(&numbered(unaffected));
            assert_eq!(place.front.count(Some(&role)), 2, "each session at the first attempt");
        };
        futures::join!(join_all(survivals), control)
    };
    tokio::select! {
        _ = story => {}
        () = download_repeatedly(&place.space, &names, Duration::from_millis(500)) => unreachable!("it never ends"),
    }
}

#[tokio::test]
async fn an_sts_that_stays_away_is_asked_ever_more_rarely() {
    let place = SessionSpace::brief("away").await;
    let names = ["one", "two", "three", "four", "five"];
    let spec = json!({"expiresIn": "2m"});
    for name in names {
        place.issue(name, &place.web_identity(ROLE), spec.clone()).await;
    }
    let begun = Instant::now();
    place.front.fault(refusal(503, "ServiceUnavailable"));
    // A request that came before the fault was no failure.
    let issued = place.front.count(None);
    for name in names {
        place.wait_again(name, "False", "CredentialsUnavailable").await;
    }
    let asked = place.front.count(None) - issued;
    assert!(asked >= 3, "{asked} requests");
    assert!(asked <= most_requests(begun.elapsed()), "{asked} requests for one session of five objects");
    for name in names {
        assert!(place.space.download(name).await.is_err(), "{name}: it ended with its session");
    }
    place.front.heal();
    for name in names {
        place.wait_again(name, "True", "Issued").await;
        assert_eq!(place.space.download(name).await.unwrap(), "content", "{name}");
    }
}

#[tokio::test]
async fn a_first_url_waits_for_the_sts() {
    let place = SessionSpace::new("first").await;
    place.front.fault(StsFault::Close);
    place.space.apply("report", place.spec(&place.web_identity(ROLE), json!({}))).await;
    let object = place.space.wait_ready("report", "False", "CredentialsUnavailable").await;
    assert!(message(&object).contains("cannot be reached"), "{}", message(&object));
    place.space.wait_event("report", "Warning CredentialsUnavailable").await;
    place.front.heal();
    place.wait_again("report", "True", "Issued").await;
    assert_eq!(place.space.download("report").await.unwrap(), "content");
}
