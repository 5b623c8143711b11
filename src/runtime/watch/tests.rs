//! Restarts and the fall-back to pages, on streams of events in place of kube's watcher.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use futures::FutureExt as _;
use futures::channel::mpsc;
use kube::core::Status;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::*;

type Sender = mpsc::UnboundedSender<Result<Event<u32>>>;

/// A watch whose events are sent by the test.
struct TestedWatch {
    events: BoxStream<'static, WatchEvent<u32>>,
    /// What kube's watcher was begun with, and where its events are sent.
    begun: Arc<Mutex<VecDeque<(ListMode, Sender)>>>,
    restart: RestartHandle,
    registry: Registry,
    health: Arc<Health>,
}

impl TestedWatch {
    fn begin() -> Self {
        let mut registry = Registry::default();
        let watches = Watches::register(&mut registry);
        let health = Arc::new(watches.health("secrets".to_owned(), "Secrets", None));
        let (restart, begun) = (RestartHandle::default(), Arc::new(Mutex::new(VecDeque::new())));
        let starts = begun.clone();
        let begin = move |lists| {
            let (sender, receiver) = mpsc::unbounded();
            starts.lock().unwrap().push_back((lists, sender));
            receiver.boxed()
        };
        let events = RestartableWatch::new(begin, &restart, health.clone()).events().boxed();
        Self { events, begun, restart, registry, health }
    }

    /// The next watch that was begun, and how.
    fn next_begun(&self) -> Option<(ListMode, Sender)> {
        self.begun.lock().unwrap().pop_front()
    }

    /// What there is without waiting.
    fn ready(&mut self) -> Vec<WatchEvent<u32>> {
        std::iter::from_fn(|| self.events.next().now_or_never().flatten()).collect()
    }

    fn failing(&self) -> i64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let series = "failing_watches{resource=\"secrets\"} ";
        text.lines().find_map(|line| line.strip_prefix(series)).unwrap().parse().unwrap()
    }
}

fn send(sender: &Sender, events: impl IntoIterator<Item = Event<u32>>) {
    for event in events {
        sender.unbounded_send(Ok(event)).unwrap();
    }
}

fn refused(code: u16) -> Error {
    let status = Status::failure("no", "Refused").with_code(code);
    Error::WatchStartFailed(kube::Error::Api(status.boxed()))
}

fn list(object: u32) -> [Event<u32>; 3] {
    [Event::Init, Event::InitApply(object), Event::InitDone]
}

fn listed(object: u32) -> [WatchEvent<u32>; 3] {
    list(object).map(WatchEvent::from)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_stream_lists_gives_pages() {
    let mut watch = TestedWatch::begin();
    let (lists, streamed) = watch.next_begun().unwrap();
    assert_eq!(lists, ListMode::Streamed);
    streamed.unbounded_send(Err(refused(422))).unwrap();
    assert_eq!((watch.ready(), watch.failing()), (vec![], 0));
    let (lists, paged) = watch.next_begun().unwrap();
    assert_eq!(lists, ListMode::Paged);
    send(&paged, list(1));
    assert_eq!(watch.ready(), listed(1));
    // Pages that are refused like this are refused for another reason.
    paged.unbounded_send(Err(refused(422))).unwrap();
    assert_eq!((watch.ready(), watch.failing()), (vec![], 1));
    assert!(watch.next_begun().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_restart_drops_the_watch_and_begins_with_a_list() {
    let mut watch = TestedWatch::begin();
    let (_, old) = watch.next_begun().unwrap();
    send(&old, list(1));
    assert_eq!(watch.ready(), listed(1));
    send(&old, [Event::Apply(2), Event::Apply(3)]);
    watch.restart.restart();
    // What the old watch had to say is not shown any more.
    assert_eq!(watch.ready(), [WatchEvent::Restarted]);
    assert!(old.is_closed());
    let (lists, new) = watch.next_begun().unwrap();
    assert_eq!(lists, ListMode::Streamed);
    send(&new, list(4).into_iter().chain([Event::Delete(4)]));
    assert_eq!(watch.ready()[..3], listed(4));
    assert!(watch.next_begun().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_restart_asks_for_streams_again_and_falls_back_again() {
    let mut watch = TestedWatch::begin();
    watch.next_begun().unwrap().1.unbounded_send(Err(refused(422))).unwrap();
    assert_eq!(watch.ready(), []);
    assert_eq!(watch.next_begun().unwrap().0, ListMode::Paged);
    watch.restart.restart();
    assert_eq!(watch.ready(), [WatchEvent::Restarted]);
    let (lists, streamed) = watch.next_begun().unwrap();
    assert_eq!(lists, ListMode::Streamed);
    streamed.unbounded_send(Err(refused(422))).unwrap();
    assert_eq!(watch.ready(), []);
    assert_eq!(watch.next_begun().unwrap().0, ListMode::Paged);
}

#[tokio::test(start_paused = true)]
async fn restarts_during_the_list_of_a_restart_are_one() {
    let mut watch = TestedWatch::begin();
    for _ in 0..3 {
        watch.restart.restart();
    }
    assert_eq!(watch.ready(), [WatchEvent::Restarted]);
    let (_, _first) = watch.next_begun().unwrap();
    let (_, second) = watch.next_begun().unwrap();
    send(&second, [Event::Init]);
    watch.restart.restart();
    assert_eq!(watch.ready(), [WatchEvent::Init]);
    tokio::time::advance(Duration::from_secs(60)).await;
    watch.restart.restart();
    send(&second, [Event::InitDone]);
    assert_eq!(watch.ready(), [WatchEvent::InitDone]);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(watch.ready(), []);
    assert!(watch.next_begun().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_restart_soon_after_another_waits_and_is_not_lost() {
    let mut watch = TestedWatch::begin();
    watch.next_begun().unwrap();
    watch.restart.restart();
    assert_eq!(watch.ready(), [WatchEvent::Restarted]);
    let (_, second) = watch.next_begun().unwrap();
    send(&second, list(1));
    assert_eq!(watch.ready(), listed(1));
    tokio::time::advance(Duration::from_secs(1)).await;
    watch.restart.restart();
    assert_eq!(watch.ready(), []);
    // Each event interrupts the wait.
    send(&second, [Event::Apply(2)]);
    assert_eq!(watch.ready(), [WatchEvent::Apply(2)]);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(watch.ready(), [WatchEvent::Restarted]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_fails_from_an_error_until_a_success() {
    let mut watch = TestedWatch::begin();
    let (_, sender) = watch.next_begun().unwrap();
    assert_eq!(watch.failing(), 0);
    for (code, is_ready) in
        [(429, vec![]), (429, vec![]), (403, vec![WatchEvent::Denied]), (404, vec![WatchEvent::Denied])]
    {
        sender.unbounded_send(Err(refused(code))).unwrap();
        assert_eq!((watch.ready(), watch.failing()), (is_ready, 1));
    }
    send(&sender, [Event::Apply(1)]);
    assert_eq!((watch.ready(), watch.failing()), (vec![WatchEvent::Apply(1)], 0));
    // To begin anew is routine.
    sender.unbounded_send(Err(refused(410))).unwrap();
    assert_eq!((watch.ready(), watch.failing()), (vec![], 0));
    // A watch that was resumed says nothing until something changes.
    sender.unbounded_send(Err(refused(503))).unwrap();
    assert_eq!((watch.ready(), watch.failing()), (vec![], 1));
    watch.health.succeeded();
    assert_eq!(watch.failing(), 0);
}
