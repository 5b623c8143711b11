//! What a panic in the request of a session leaves behind.

use std::time::Duration;

use hyper::{Request, Response};
use kube::Client;
use kube::client::Body;
use tower::service_fn;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::super::requests::request_sessions;
use super::*;
use crate::controller::tests::context;

/// A log that panics at a line about the answer of an STS.
struct BrokenLog;

impl Subscriber for BrokenLog {
    fn enabled(&self, line: &Metadata<'_>) -> bool {
        line.target().ends_with("sessions::requests")
    }

    fn event(&self, event: &Event<'_>) {
        assert_ne!(*event.metadata().level(), Level::DEBUG, "the log is broken");
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_panic_after_the_answer_of_the_sts_takes_no_place_from_others() {
    let silent = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, kube::Error>>());
    let ctx = context(Client::new(silent, "default"));
    let _log = tracing::subscriber::set_default(BrokenLog);
    let requests = tokio::spawn(request_sessions(ctx.clone()));
    // The operator has no identity of its own, so each request fails and is logged.
    let now = ctx.clock.now();
    let ask = |number: usize| {
        let number = number.to_string();
        let wanted = WantedSession { key: key(&number), base: None, ca_bundle: None, flow: "n".to_owned() };
        let need = SessionNeed { until: now, longer_than: None };
        ctx.sessions.find(&Key::new("n", &number), wanted, need, now)
    };
    // More than run at a time.
    let count = 100;
    for number in 0..count {
        assert!(matches!(ask(number), FoundSession::Pending(_)));
    }
    let are_answered = async {
        while ctx.sessions.cache.read().entries.values().any(|entry| entry.requested_at.is_some()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), are_answered).await.expect("an answer to each");
    let is_bug = |entry: &SessionEntry| {
        entry.failure.as_ref().is_some_and(|failed| failed.failure == SessionFailure::Bug)
    };
    assert!(ctx.sessions.cache.read().entries.values().all(is_bug));
    assert!(!requests.is_finished());
}
