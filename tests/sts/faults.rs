//! A server that fails in each way a server can fail, and what the failure is called.

use std::time::Duration;

use presign_operator::sts::{StsFailure, StsOutage, StsStep};
use tokio::time::Instant;

use crate::scratch::{KEY, TOKEN, assume_role, web_identity};
use crate::server::{Deed, StubServer, answer, error};

fn outage(failure: &StsFailure) -> Option<StsOutage> {
    match failure {
        StsFailure::Unavailable { outage, .. } => Some(*outage),
        _ => None,
    }
}

/// The clock of tokio jumps, because nothing else is left to do than to wait.
#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_after_ten_seconds() {
    let server = StubServer::start(Deed::Nothing, None).await;
    for call in 0..2 {
        let begun = Instant::now();
        let failure = match call {
            0 => web_identity(&server.url()).await.unwrap_err(),
            _ => assume_role(&server.url()).await.unwrap_err(),
        };
        assert_eq!(outage(&failure), Some(StsOutage::Timeout));
        let took = begun.elapsed();
        assert!((Duration::from_secs(10)..Duration::from_secs(11)).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_outage() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n<Assume";
    for (bytes, expected) in [
        ("hello\r\n\r\n".to_owned(), StsOutage::Garbage),
        (String::new(), StsOutage::Unreachable),
        (cut.to_owned(), StsOutage::Unreachable),
        (answer(200, "", "<html>welcome</html>"), StsOutage::Garbage),
        (answer(200, "", ""), StsOutage::Garbage),
        (answer(200, "content-type: text/xml\r\n", "<a><b>"), StsOutage::Garbage),
        (answer(500, "", "oops"), StsOutage::Fault(500)),
        (answer(503, "", &error("ServiceUnavailable", "")), StsOutage::Fault(503)),
        (answer(429, "", ""), StsOutage::Throttled),
        (answer(400, "", &error("ThrottlingException", "Rate exceeded")), StsOutage::Throttled),
        (answer(400, "", &error("IDPCommunicationError", "")), StsOutage::Issuer),
    ] {
        let server = StubServer::sends(bytes.clone()).await;
        let failure = web_identity(&server.url()).await.unwrap_err();
        assert_eq!(outage(&failure), Some(expected), "{bytes}: {failure:?}");
        assert!(failure.is_temporary());
        assert_eq!(server.requests().len(), 1, "a call is sent once");
    }
}

#[tokio::test]
async fn a_port_without_a_server_is_an_outage() {
    // It is held, so that nobody else listens there, and it refuses connections.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = held.local_addr().unwrap().port();
    let failure = web_identity(&format!("http://127.0.0.1:{port}")).await.unwrap_err();
    assert_eq!(outage(&failure), Some(StsOutage::Unreachable));
}

#[tokio::test]
async fn of_a_long_answer_only_the_beginning_is_read() {
    // More than the kernel buffers.
    const LENGTH: usize = 64 << 20;
    for status in [200, 403] {
        let server = StubServer::sends(answer(status, "", &"x".repeat(LENGTH))).await;
        let failure = web_identity(&server.url()).await.unwrap_err();
        assert_eq!(outage(&failure), Some(StsOutage::TooLong), "{failure:?}");
        let sent = server.sent_in(1).await;
        assert!(sent < LENGTH / 2, "{sent} bytes were taken");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = StubServer::sends(answer(200, "", "")).await;
    for status in [301, 302, 307, 308] {
        let location = format!("location: {}/\r\n", other.url());
        let server = StubServer::sends(answer(status, &location, "")).await;
        let failure = assume_role(&server.url()).await.unwrap_err();
        assert_eq!(outage(&failure), Some(StsOutage::Redirect), "{status}: {failure:?}");
    }
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn of_a_refusal_only_the_code_is_shown() {
    let message = format!("User AKIAHIDDEN with {TOKEN} and {KEY}");
    let ceph = format!("<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>");
    for (body, code) in [
        (error("AccessDenied", &message), Some("AccessDenied")),
        (error("ExpiredTokenException", &message), Some("ExpiredTokenException")),
        (error("MalformedPolicyDocument", &message), Some("MalformedPolicyDocument")),
        (error("PackedPolicyTooLarge", &message), Some("PackedPolicyTooLarge")),
        (error("InvalidIdentityToken", &message), Some("InvalidIdentityToken")),
        (error(&message, &message), None),
        (error(KEY, ""), None),
        (ceph, Some("AccessDenied")),
        (format!("<html>{message}"), None),
        (String::new(), None),
    ] {
        let server = StubServer::sends(answer(403, "", &body)).await;
        for (step, failure) in [
            (StsStep::WebIdentity, web_identity(&server.url()).await.unwrap_err()),
            (StsStep::AssumeRole, assume_role(&server.url()).await.unwrap_err()),
        ] {
            let code = code.map(ToOwned::to_owned);
            assert_eq!(failure, StsFailure::Denied { step, status: 403, code }, "{body}");
            let shown = format!("{failure} {failure:?} {:?}", failure.advice());
            for hidden in ["hidden", "AKIAHIDDEN", "User"] {
                assert!(!shown.contains(hidden), "{shown}");
            }
        }
    }
}
