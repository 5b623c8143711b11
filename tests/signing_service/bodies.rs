//! Bodies that are no requests, and peers that do not finish.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::stage::SigningSetup;

#[tokio::test]
async fn a_body_that_is_no_request_is_refused_without_quoting_it() {
    let stage = SigningSetup::new("csi-bodies").await;
    let token = stage.token_of_pod("web").await;
    stage.ask_until(&token, 200, json!({})).await;
    let spec = stage.spec(json!({}));
    let many = |count: usize| (0..count).map(|n| (format!("u{n}"), spec.clone())).collect::<Map<_, _>>();
    let request = |urls: Value| json!({"urls": urls, "longerThan": null, "seed": 7}).to_string();
    let send = |body: &str| stage.send(stage.team().operator.signing_port(), Some(&token), body);
    let large = format!("{{\"urls\": {{\"{}\": 1}}}}", "x".repeat(300 * 1024));
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
    // More than the places of a node.
    let mut begun = Vec::new();
    for _ in 0..20 {
        begun.push(SlowPeer::begin(&stage, port, &slow, 100).await);
    }
    // They get their places.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answered = stage.ask(Some(&other), json!({}));
    assert_eq!(answered.status, 200, "{answered:?}");
    for peer in &mut begun {
        assert!(peer.is_waiting().await, "it was at work meanwhile");
    }
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
    // Its head is read.
    tokio::time::sleep(Duration::from_secs(1)).await;
    operator.signal("TERM");
    let ends = std::time::Instant::now() + crate::harness::DEADLINE;
    while !operator.log().contains("stopping: ") {
        assert!(std::time::Instant::now() < ends, "{}", operator.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(peer.is_waiting().await);
    peer.stream.write_all(&body.as_bytes()[1..]).await.unwrap();
    let answer = peer.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("expirationTime"), "{answer:?}");
    while operator.is_running() {
        assert!(std::time::Instant::now() < ends, "it does not stop");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A peer that sends the begin of a body and no more.
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
            "POST /v1/sign HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        Self { stream, answer: Vec::new() }
    }

    /// Whether there is no answer yet.
    async fn is_waiting(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(1), self.stream.read_buf(&mut self.answer)).await.is_err()
    }

    async fn answer(mut self) -> String {
        // The end of the stream is of no interest.
        let reading = self.stream.read_to_end(&mut self.answer);
        let _ = tokio::time::timeout(Duration::from_secs(60), reading).await.expect("an answer");
        String::from_utf8(self.answer).unwrap()
    }
}
