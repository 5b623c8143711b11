//! One port on loopback: its pages, its crowds, its end.

use std::net::SocketAddr;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::*;
use crate::runtime::server::probes::Probes;
use crate::runtime::server::scrapes::Scrapes;

struct TestSite {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start(probes: Probes) -> TestSite {
    let metrics = Some(Scrapes::new(|| Ok("# EOF\n".to_owned())));
    let pages = Pages { probes: Some(probes), metrics, access: None };
    start_site(Site { answers: pages, tls: None }).await
}

async fn start_site(site: Site) -> TestSite {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(serve(listener, site, stopped));
    TestSite { address, stop, task }
}

impl TestSite {
    async fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: probe\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }
}

fn assert_answer(text: &str, status: u16, body: &str) {
    assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
    assert_eq!(text.split_once("\r\n\r\n").unwrap().1, body, "{text}");
}

#[tokio::test]
async fn shows_what_the_probes_know() {
    let probes = Probes::new(Duration::from_hours(1));
    let server = start(probes.clone()).await;
    let (urls, secrets) = (probes.check("watch presignedurls"), probes.check("watch secrets"));
    assert_answer(&server.ask("GET", "/livez").await, 200, "ok\n");
    assert_answer(&server.ask("GET", "/readyz").await, 503, "watch presignedurls\nwatch secrets\n");
    urls.pass();
    assert_answer(&server.ask("GET", "/readyz?verbose").await, 503, "watch secrets\n");
    secrets.pass();
    assert_answer(&server.ask("GET", "/readyz").await, 200, "ok\n");
}

#[tokio::test]
async fn a_silent_loop_is_not_alive() {
    let server = start(Probes::new(Duration::ZERO)).await;
    let text = server.ask("GET", "/livez").await;
    assert_answer(&text, 503, "the main loop has not run for 0 s\n");
}

#[tokio::test]
async fn metrics_are_open_metrics() {
    let server = start(Probes::new(Duration::from_hours(1))).await;
    let text = server.ask("GET", "/metrics").await;
    assert!(text.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    assert_answer(&text, 200, "# EOF\n");
    assert_answer(&server.ask("HEAD", "/metrics").await, 200, "");
}

#[tokio::test]
async fn refuses_other_methods_and_paths() {
    let server = start(Probes::new(Duration::from_hours(1))).await;
    assert_answer(&server.ask("GET", "/").await, 404, "not found\n");
    let text = server.ask("DELETE", "/metrics").await;
    assert!(text.contains("allow: GET, HEAD\r\n"), "{text}");
    assert_answer(&text, 405, "only GET and HEAD\n");
}

#[tokio::test]
async fn a_crowd_of_idle_peers_keeps_nobody_out() {
    let server = start(Probes::new(Duration::from_hours(1))).await;
    let begun = Instant::now();
    let mut crowd = Vec::new();
    for _ in 0..MAX_CONNECTIONS + 64 {
        crowd.push(TcpStream::connect(server.address).await.unwrap());
    }
    // Before the first of them has to send its request.
    let answer = timeout_at(begun + HEADER_READ_TIMEOUT, server.ask("GET", "/livez")).await;
    assert_answer(&answer.expect("it is served at once"), 200, "ok\n");
    let is_there = |peer: &&TcpStream| peer.try_read(&mut [0]).is_err();
    let shown_out = async {
        while crowd.iter().filter(is_there).count() > MAX_CONNECTIONS {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout_at(begun + HEADER_READ_TIMEOUT, shown_out).await.expect("only so many are kept");
}

#[tokio::test]
async fn a_port_shows_only_what_is_its_own() {
    let probes = Some(Probes::new(Duration::from_hours(1)));
    let metrics = Some(Scrapes::new(|| Ok("# EOF\n".to_owned())));
    for (pages, shown, hidden) in [
        (Pages { probes, ..Pages::default() }, "/livez", "/metrics"),
        (Pages { metrics, ..Pages::default() }, "/metrics", "/livez"),
    ] {
        let server = start_site(Site { answers: pages, tls: None }).await;
        assert!(server.ask("GET", shown).await.starts_with("HTTP/1.1 200 "), "{shown}");
        assert_answer(&server.ask("GET", hidden).await, 404, "not found\n");
        assert_answer(&server.ask("DELETE", hidden).await, 404, "not found\n");
    }
}

#[tokio::test]
async fn with_a_certificate_only_tls_is_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let metrics = Some(Scrapes::new(|| Ok("# EOF\n".to_owned())));
    let tls = Some(Arc::new(Tls::read(&certificate, &key).unwrap()));
    let server = start_site(Site { answers: Pages { metrics, ..Pages::default() }, tls }).await;

    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_answer(&text, 200, "# EOF\n");

    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn stops_on_request_and_does_not_wait_for_a_peer_for_ever() {
    let server = start(Probes::new(Duration::from_hours(1))).await;
    let _idle = TcpStream::connect(server.address).await.unwrap();
    server.ask("GET", "/livez").await;
    server.stop.send(()).unwrap();
    timeout(Pages::DRAIN_TIMEOUT * 2, server.task).await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
