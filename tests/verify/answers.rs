//! Answers that do not end, come slowly, are long, lead elsewhere, or are none.

use std::future::pending;
use std::time::{Duration, Instant};

use presign_operator::domain::verification::{Finding, QuestionKind, VerifyOutage};
use presign_operator::verify::StoreVerifier;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

use crate::scratch::{OF_STORE, ask_raw, ask_url, internal, settings, unlisted, verifier};
use crate::server::{Deed, StubServer, answer, date};

const BOTH: [QuestionKind; 2] = [QuestionKind::Object, QuestionKind::Listing];

/// Asks a server at its address, which is listed.
async fn ask(server: &StubServer, kind: QuestionKind) -> Finding {
    let verifier = verifier(&[&format!("127.0.0.1:{}", server.port)]);
    ask_raw(&verifier, kind, &format!("{}/bucket/key?X-Amz-Signature=hidden", server.url()), false).await
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let inside = StubServer::sends(answer(200, "", "<ListBucketResult/>")).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: {}/\r\n", inside.url());
        let server = StubServer::sends(answer(status, &location, "")).await;
        for kind in BOTH {
            assert_eq!(ask(&server, kind).await, Finding::Redirected { status });
        }
        assert_eq!(server.requests().len(), 2);
    }
    assert!(inside.requests().is_empty());
}

#[tokio::test]
async fn a_gigabyte_is_not_read() {
    let chunk = vec![b'x'; 1 << 20];
    for (status, kind, expected) in [
        (200, QuestionKind::Object, Finding::Accepted),
        (200, QuestionKind::Listing, Finding::Rejected { status: 200 }),
        (403, QuestionKind::Object, Finding::Rejected { status: 403 }),
    ] {
        let head = format!("HTTP/1.1 {status} X\r\n{OF_STORE}content-length: {}\r\n\r\n", 1u64 << 30);
        // More than the kernel buffers.
        let body = [head.into_bytes(), chunk.repeat(64)].concat();
        let server = StubServer::sends(body).await;
        assert_eq!(ask(&server, kind).await, expected);
        let sent = server.sent_in(1).await;
        assert!(sent < 32 << 20, "{sent} bytes were taken");
    }
}

#[tokio::test]
async fn the_code_counts_at_the_beginning_of_a_long_answer() {
    let body = format!("<Error><Code>InvalidAccessKeyId</Code>{}</Error>", "x".repeat(1 << 20));
    let server = StubServer::sends(answer(403, "", &body)).await;
    assert_eq!(ask(&server, QuestionKind::Listing).await, Finding::UnknownKey);
}

/// The clock of tokio jumps, because nothing else is left to do than to wait.
#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_slowly_or_not_at_all_ends_in_time() {
    let silent = StubServer::start(Deed::Nothing, None).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 1024]).await;
                // A header a second, for ever.
                let _ = stream.write_all(b"HTTP/1.1 403 X\r\n").await;
                while stream.write_all(b"x-slow: 1\r\n").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            });
        }
    });
    let begun = tokio::time::Instant::now();
    let slow = verifier(&[&format!("127.0.0.1:{port}")]);
    let url = format!("http://127.0.0.1:{port}/bucket/key");
    let timeout = Finding::Unreachable(VerifyOutage::Timeout);
    let both = tokio::join!(ask(&silent, QuestionKind::Object), ask_url(&slow, &url, false));
    assert_eq!(both, (timeout.clone(), timeout));
    let took = begun.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(6)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn what_is_no_answer_of_a_store_is_none() {
    for (bytes, expected) in [
        (b"SSH-2.0-OpenSSH\r\n\r\n".to_vec(), VerifyOutage::Garbage),
        (Vec::new(), VerifyOutage::Cut),
        (answer(503, "", "<Error><Code>SlowDown</Code></Error>").into_bytes(), VerifyOutage::Busy),
        (answer(502, "", "<html>bad gateway</html>").into_bytes(), VerifyOutage::Fault(502)),
    ] {
        let server = StubServer::sends(bytes.clone()).await;
        let found = ask(&server, QuestionKind::Object).await;
        assert_eq!(found, Finding::Unreachable(expected), "{:?}", String::from_utf8_lossy(&bytes));
    }
    // It is held, so that nobody else listens there, and it refuses connections.
    let held = TcpSocket::new_v4().unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let closed = held.local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{closed}/");
    let found = ask_url(&verifier(&[&format!("127.0.0.1:{closed}")]), &url, false).await;
    assert_eq!(found, Finding::Unreachable(VerifyOutage::Unconnected));
}

#[tokio::test]
async fn a_page_of_a_web_server_is_no_answer_of_a_store() {
    let page = "<!doctype html><html><body>Sign in</body></html>";
    for status in [200, 206, 304, 412, 416] {
        // Of a content network, which is before all kinds of web servers.
        for headers in ["content-type: text/html\r\n", "x-amz-cf-id: a\r\nx-amz-cf-pop: b\r\netag: \"c\"\r\n"]
        {
            let server =
                StubServer::sends(answer(status, headers, if status == 304 { "" } else { page })).await;
            assert_eq!(ask(&server, QuestionKind::Object).await, Finding::Rejected { status }, "{headers}");
        }
        let server = StubServer::sends(answer(status, OF_STORE, "")).await;
        assert_eq!(ask(&server, QuestionKind::Object).await, Finding::Accepted, "{status}");
    }
}

#[tokio::test]
async fn the_clock_and_the_region_of_the_store_are_read() {
    let late = crate::scratch::now() + jiff::SignedDuration::from_secs(3600);
    let body = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
    let begun = Instant::now();
    let server = StubServer::sends(answer(403, &date(late), body)).await;
    let found = ask(&server, QuestionKind::Object).await;
    let took = i64::try_from(begun.elapsed().as_secs()).unwrap();
    let Finding::ClockSkewed { ahead: Some(ahead) } = found else { panic!("{found:?}") };
    assert!((3590 - took..=3610).contains(&ahead), "{ahead}");
    for (region, named) in [("eu-west-1", Some("eu-west-1")), ("<script>", None)] {
        let header = format!("x-amz-bucket-region: {region}\r\n");
        let body = "<Error><Code>PermanentRedirect</Code></Error>";
        let server = StubServer::sends(answer(301, &header, body)).await;
        let named = named.map(str::to_owned);
        assert_eq!(ask(&server, QuestionKind::Object).await, Finding::WrongRegion { named });
    }
}

#[tokio::test]
async fn a_request_has_the_headers_that_were_signed_and_no_body() {
    let server = StubServer::sends(answer(206, OF_STORE, "x")).await;
    assert_eq!(ask(&server, QuestionKind::Object).await, Finding::Accepted);
    let request = server.requests().remove(0);
    assert!(request.starts_with("GET /bucket/key?X-Amz-Signature=hidden HTTP/1.1\r\n"), "{request}");
    assert!(request.to_ascii_lowercase().contains("\r\nrange: bytes=0-0\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n") && !request.contains("content-length"), "{request}");
}

/// A verifier that reaches stores through a proxy, unless they are left out.
fn through(proxy: &str, no_proxy: Option<&str>, list: &[&str]) -> StoreVerifier {
    let (proxy, no_proxy) = (Some(proxy.to_owned()), no_proxy.map(str::to_owned));
    StoreVerifier::new(presign_operator::verify::VerifySettings { proxy, no_proxy, ..settings(list) })
        .unwrap()
}

#[tokio::test]
async fn a_proxy_is_used_only_for_names_that_are_listed_without_addresses() {
    let proxy = StubServer::sends(answer(502, "", "")).await;
    let through =
        |list: &[&str]| through(&format!("http://user:hidden@127.0.0.1:{}", proxy.port), None, list);
    let found = ask_url(&through(&["s3.invalid:443"]), "https://s3.invalid/b/k", false).await;
    assert!(matches!(found, Finding::Unreachable(_)), "{found:?}");
    let requests = proxy.requests();
    assert!(requests.len() == 1 && requests[0].starts_with("CONNECT s3.invalid:443 "), "{requests:?}");
    // The name is resolved here, and so its addresses are judged.
    for (list, is_of_platform, why) in [
        (&[][..], true, "a store of a ClusterSigner"),
        (&["s3.invalid:443=10.0.0.0/8"], false, "one with addresses"),
        (&["*.invalid:443"], false, "a domain, below which others choose names"),
        (&["*:443"], false, "every name"),
    ] {
        let found = ask_url(&through(list), "https://s3.invalid/b/k", is_of_platform).await;
        assert_eq!(found, Finding::Unreachable(VerifyOutage::Unresolved), "{why}");
    }
    let found = ask_url(&through(&["*.invalid:443"]), "https://s3.example/b/k", false).await;
    assert_eq!(found, unlisted("s3.example:443"));
    assert_eq!(proxy.requests().len(), 1);
}

#[tokio::test]
async fn the_name_of_the_proxy_is_judged_when_it_is_that_of_the_store() {
    let (proxy, store) =
        (StubServer::sends(answer(502, "", "")).await, StubServer::sends(answer(206, OF_STORE, "x")).await);
    let proxy = format!("http://localhost:{}", proxy.port);
    let authority = format!("localhost:{}", store.port);
    for (no_proxy, list, scheme) in [
        (None, authority.clone(), "http"),
        (None, format!("*:{}", store.port), "http"),
        (None, format!("*:{}", store.port), "https"),
        (Some("localhost"), authority.clone(), "https"),
    ] {
        let verifier = through(&proxy, no_proxy, &[&list]);
        let found = ask_url(&verifier, &format!("{scheme}://{authority}/b/k"), false).await;
        assert_eq!(found, internal(&authority), "{no_proxy:?} {list} {scheme}");
    }
    assert!(store.requests().is_empty());
}

#[tokio::test]
async fn a_store_without_tls_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let store = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        pending::<()>().await;
    };
    let verifier = verifier(&[&format!("127.0.0.1:{port}")]);
    let url = format!("https://127.0.0.1:{port}/b/k");
    tokio::select! {
        found = ask_url(&verifier, &url, false) => {
            assert!(matches!(found, Finding::Unreachable(VerifyOutage::Tls)), "{found:?}");
        }
        () = store => {}
    }
}
