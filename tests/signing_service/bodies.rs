//! Bodies that are no requests, and peers that do not finish.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Map, Value, json};
use testbed::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::DEADLINE;
use crate::stage::SigningSetup;

/// How many requests of a namespace on one node are worked on at a time.
const PLACES: usize = 8;
/// What a server says that begins to read the body.
const GO_ON: &str = "HTTP/1.1 100 Continue\r\n\r\n";

#[tokio::test]
async fn a_body_that_is_no_request_is_refused_without_quoting_it() {
    let stage = SigningSetup::new("csi-bodies").await;
    let token = stage.token_of_pod("web").await;
    stage.ask_until(&token, 200, json!({})).await;
    let spec = stage.spec(json!({}));
    let many = |count: usize| (0..count).map(|n| (format!("u{n}"), spec.clone())).collect::<Map<_, _>>();
    let request = |urls: Value| json!({"urls": urls, "longerThan": null, "seed": 7}).to_string();
    let send = |body: &str| stage.send(stage.team().operator.signing_port(), Some(&token), body);
    // The operator reads this much of it, so that curl can send all and then read the response.
    let large = format!("{{\"urls\": {{\"{}\": 1}}}}", "x".repeat(200 * 1024));
    for (body, said) in [
        ("", "no valid signing request"),
        ("{\"urls\": \"hunter2\"}", "no valid signing request"),
        ("{\"urls\": {}, \"seed\": 1, \"longerThan\": null, \"hunter2\": 1}", "no valid signing request"),
        (&large, "more than 128 KiB"),
        (&request(json!({})), "has no URLs"),
        (&request(json!({"../in": spec})), "names of URLs"),
        (&request(json!(many(33))), "at most 32 URLs"),
    ] {
        let answer = send(body);
        assert_eq!((answer.status, &answer.body["isTemporary"]), (400, &json!(false)), "{answer:?}");
        assert!(answer.message().contains(said) && !answer.message().contains("hunter2"), "{answer:?}");
    }
    let answer = send(&request(json!(many(32))));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["files"].as_array().unwrap().len(), 32 * 4);
}

#[tokio::test]
async fn a_node_whose_requests_do_not_end_holds_up_no_other() {
    let stage = SigningSetup::new("csi-slow").await;
    let (slow, other) = (stage.token_of_pod("slow").await, stage.token_of_pod("other").await);
    stage.ask_until(&slow, 200, json!({})).await;
    let port = stage.team().operator.signing_port();
    // Many more than have a place at a time, so that those that end leave theirs to others.
    let begun = (0..4 * PLACES).map(|_| SlowPeer::begin(&stage, port, &slow, 100));
    let mut begun = futures::future::join_all(begun).await;
    let mut read = 0;
    let is_full = async || {
        read = 0;
        for peer in &mut begun {
            read += usize::from(peer.is_read().await);
        }
        read >= PLACES
    };
    assert!(eventually(DEADLINE, is_full).await, "only {read} of the slow requests got a place");
    let answered = stage.ask(Some(&other), json!({}));
    assert_eq!(answered.status, 200, "{answered:?}");
    // Had the other one waited behind the slow ones, none of them would wait for a place any more.
    let mut queued = 0;
    for peer in &mut begun {
        queued += usize::from(peer.is_queued().await);
    }
    assert!(queued > 0, "all of the slow requests had a place before");
    let answers = futures::future::join_all(begun.into_iter().map(SlowPeer::answer)).await;
    for answer in &answers {
        let is_refused = answer.starts_with("HTTP/1.1 400 ") && answer.contains("did not arrive in time");
        assert!(is_refused || answer.starts_with("HTTP/1.1 503 "), "{answer:?}");
    }
    assert!(answers.iter().any(|answer| answer.contains("did not arrive in time")), "{answers:?}");
    stage.ask_until(&slow, 200, json!({})).await;
}

#[tokio::test]
async fn a_request_in_progress_is_answered_before_the_operator_stops() {
    let stage = SigningSetup::new("csi-stops").await;
    let token = stage.token_of_pod("web").await;
    stage.ask_until(&token, 200, json!({})).await;
    let body = json!({"urls": {"": stage.spec(json!({}))}, "longerThan": null, "seed": 7}).to_string();
    let operator = &stage.team().operator;
    let mut peer = SlowPeer::begin(&stage, operator.signing_port(), &token, body.len()).await;
    assert!(eventually(DEADLINE, async || peer.is_read().await).await, "the request is not read");
    operator.signal("TERM");
    operator.wait_log("stopping: ").await;
    assert!(peer.is_waiting().await);
    peer.stream.write_all(&body.as_bytes()[1..]).await.unwrap();
    let answer = peer.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("expirationTime"), "{answer:?}");
    assert!(eventually(DEADLINE, async || !operator.is_running()).await, "it does not stop");
}

/// A peer that sends the begin of a body and no more, and asks to be told when its body is read.
struct SlowPeer {
    stream: TlsStream<TcpStream>,
    answer: Vec<u8>,
}

impl SlowPeer {
    async fn begin(stage: &SigningSetup, port: u16, token: &str, length: usize) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(stage.folder.path().join("tls.crt")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let head = format!(
            "POST /v1/sign HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        Self { stream, answer: Vec::new() }
    }

    /// Takes all that has come, and returns whether the stream is still open.
    async fn take(&mut self) -> bool {
        loop {
            let reading = self.stream.read_buf(&mut self.answer);
            match tokio::time::timeout(Duration::from_millis(1), reading).await {
                Err(_) => return true,
                Ok(Ok(0) | Err(_)) => return false,
                Ok(Ok(_)) => {}
            }
        }
    }

    /// Whether it was told to go on: the request has its place, and its body is read.
    async fn is_read(&mut self) -> bool {
        self.take().await;
        self.answer.starts_with(GO_ON.as_bytes())
    }

    /// Whether it has heard nothing: the request waits for its place.
    async fn is_queued(&mut self) -> bool {
        self.take().await && self.answer.is_empty()
    }

    /// Whether there is no answer yet.
    async fn is_waiting(&mut self) -> bool {
        self.take().await && (self.answer.is_empty() || self.answer == GO_ON.as_bytes())
    }

    async fn answer(mut self) -> String {
        // The end of the stream is of no interest.
        let reading = self.stream.read_to_end(&mut self.answer);
        let _ = tokio::time::timeout(Duration::from_secs(60), reading).await.expect("an answer");
        let answer = String::from_utf8(self.answer).unwrap();
        answer.strip_prefix(GO_ON).unwrap_or(&answer).to_owned()
    }
}
