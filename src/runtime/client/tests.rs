//! The client against a server that answers each connection with given bytes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use prometheus_client::encoding::text::encode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const SECRET: &str = "/api/v1/namespaces/a/secrets/b";
const WATCH: &str = "/api/v1/secrets?watch=true";
/// Of a call that has to fail by it.
const SHORT: Duration = Duration::from_millis(200);
/// Of a call that has to be answered, on a machine that is busy.
const LONG: Duration = Duration::from_secs(30);

struct TestServer {
    client: Client,
    metrics: Registry,
    /// The pauses that were asked for.
    pauses: Arc<Mutex<Vec<Duration>>>,
    skew: Skew,
    received: Arc<AtomicUsize>,
}

/// A server that answers each connection with these bytes, and then says no more.
async fn start(answer: &'static str) -> TestServer {
    start_for(Leadership::unopposed(), LONG, answer).await
}

async fn start_for(leadership: Leadership, deadline: Duration, answer: &'static str) -> TestServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/prefix", listener.local_addr().unwrap());
    let received = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&received);
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            stream.write_all(answer.as_bytes()).await.unwrap();
            open.push(stream);
        }
    });
    let mut metrics = Registry::with_prefix("presign");
    let calls = ApiCalls::register(&mut metrics);
    let pauses = Arc::new(Mutex::new(Vec::new()));
    let noted = pauses.clone();
    let overload = Overload::new(move |pause| noted.lock().unwrap().push(pause));
    let skew = Skew::default();
    let settings =
        ClientSettings { identity: "test".to_owned(), deadline, leadership, overload, skew: skew.clone() };
    let client = client(Config::new(url.parse().unwrap()), calls, settings).unwrap();
    TestServer { client, metrics, pauses, skew, received }
}

impl TestServer {
    async fn get(&self, path: &str) -> Result<String, kube::Error> {
        self.client.request_text(Request::get(path).body(Vec::new()).unwrap()).await
    }

    fn assert_counted(&self, labels: &str) {
        let mut text = String::new();
        encode(&mut text, &self.metrics).unwrap();
        let line = format!("presign_api_requests_total{{{labels}}} 1");
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn hands_on_the_answer_and_counts_it() {
    let server = start("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    assert_eq!(server.get(SECRET).await.unwrap(), "{}");
    server.assert_counted(r#"verb="get",resource="secrets",code="200""#);
}

#[tokio::test]
async fn an_overloaded_server_is_asked_once_and_reported() {
    let answer = "HTTP/1.1 429 Slow\r\nretry-after: 3\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy";
    let server = start(answer).await;
    for path in [SECRET, WATCH] {
        let Err(kube::Error::Service(error)) = server.get(path).await else { panic!("not refused") };
        let pause = error.downcast_ref::<Overloaded>().map(|overloaded| overloaded.pause);
        assert_eq!(pause, Some(Duration::from_secs(3)));
    }
    assert_eq!(server.received.load(Ordering::Relaxed), 2);
    assert_eq!(*server.pauses.lock().unwrap(), [Duration::from_secs(3); 2]);
    server.assert_counted(r#"verb="get",resource="secrets",code="429""#);
    server.assert_counted(r#"verb="watch",resource="secrets",code="429""#);
}

#[tokio::test]
async fn a_429_about_one_call_is_an_answer_that_says_when_to_try_again() {
    let answer = concat!(
        "HTTP/1.1 429 Slow\r\nretry-after: 3\r\ncontent-length: 28\r\nconnection: close\r\n\r\n",
        r#"{"kind":"Status","code":429}"#
    );
    let server = start(answer).await;
    let Err(kube::Error::Api(status)) = server.get(SECRET).await else { panic!("not refused") };
    assert_eq!(status.code, 429);
    assert_eq!(status.details.map(|details| details.retry_after_seconds), Some(3));
    assert!(server.pauses.lock().unwrap().is_empty());
    server.assert_counted(r#"verb="get",resource="secrets",code="429""#);
}

#[tokio::test]
async fn the_dates_of_answers_show_that_the_clocks_differ() {
    let answer = concat!(
        "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 2\r\n",
        "connection: close\r\n\r\n{}"
    );
    let server = start(answer).await;
    for _ in 0..2 {
        server.get(SECRET).await.unwrap();
    }
    assert!(!server.skew.is_skewed());
    // More, since those that took long do not count.
    for _ in 0..20 {
        server.get(SECRET).await.unwrap();
    }
    assert!(server.skew.is_skewed());
    assert!(server.skew.seconds() > 86_400);
}

#[tokio::test]
async fn who_does_not_lead_reads_and_does_not_write() {
    let standby = Leadership::none(crate::runtime::Clock::system());
    let server = start_for(standby, LONG, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    assert_eq!(server.get(SECRET).await.unwrap(), "{}");
    for write in
        [Request::post(SECRET), Request::put(SECRET), Request::patch(SECRET), Request::delete(SECRET)]
    {
        let answer = server.client.request_text(write.body(Vec::new()).unwrap()).await;
        let Err(kube::Error::Service(error)) = answer else { panic!("it was sent: {answer:?}") };
        assert!(error.is::<crate::runtime::NotLeading>(), "{error}");
    }
    assert_eq!(server.received.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn fails_when_the_answer_is_late_or_stops_halfway() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"] {
        let server = start_for(Leadership::unopposed(), SHORT, answer).await;
        let error = server.get(SECRET).await.unwrap_err();
        let text = "the API server did not answer within 0.2 s: get secrets";
        assert!(error.to_string().ends_with(text), "{error}");
        server.assert_counted(r#"verb="get",resource="secrets",code="error""#);
    }
}

/// The clock of tokio jumps, because nothing else is left to do than to wait.
#[tokio::test(start_paused = true)]
async fn a_watch_may_go_on_once_it_has_begun() {
    let deadline = Duration::from_secs(1);
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}";
    let server = start_for(Leadership::unopposed(), deadline, begun).await;
    let endless = tokio::time::timeout(deadline * 3, server.get(WATCH)).await;
    assert!(endless.is_err(), "the watch was cut: {endless:?}");
    server.assert_counted(r#"verb="watch",resource="secrets",code="200""#);

    let silent = start_for(Leadership::unopposed(), SHORT, "").await;
    let error = silent.get(WATCH).await.unwrap_err();
    assert!(error.to_string().contains("did not answer within"), "{error}");
}
