//! What is counted and logged about a watch.

use kube::Config;
use prometheus_client::encoding::text::encode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn refused(code: u16) -> WatchError {
    WatchError::refused(code, "Reason")
}

#[test]
fn the_same_error_is_logged_once_and_a_busy_server_quietly_for_a_while() {
    let (mut state, start) = (Errors::default(), Instant::now());
    for (second, cause, is_first, level) in [
        (0, refused(429), true, Level::Info),
        (1, refused(429), false, Level::Debug),
        (29, refused(429), false, Level::Debug),
        (30, refused(429), false, Level::Warn),
        (31, refused(429), false, Level::Debug),
        (32, WatchError::OutOfReach, false, Level::Warn),
        (33, WatchError::OutOfReach, false, Level::Debug),
        (34, refused(403), false, Level::Warn),
        (35, refused(503), false, Level::Warn),
    ] {
        let log = state.failed(&cause, start + Duration::from_secs(second));
        assert_eq!(log, ErrorLog { is_first, level }, "second {second}");
    }
    assert!(state.succeeded());
    assert!(!state.succeeded());
    assert_eq!(state.failed(&refused(503), start), ErrorLog { is_first: true, level: Level::Warn });
    assert!(state.succeeded());
    assert_eq!(state.failed(&refused(429), start), ErrorLog { is_first: true, level: Level::Info });
    // Another error in between does not make it news.
    assert_eq!(state.failed(&WatchError::OutOfReach, start).level, Level::Warn);
    assert_eq!(state.failed(&refused(429), start).level, Level::Debug);
}

#[test]
fn an_error_is_logged_by_its_code_and_never_by_its_text() {
    let overloaded = Overloaded { pause: std::time::Duration::from_secs(1) };
    let status = || kube::core::Status::failure("secret", "Reason").with_code(403).boxed();
    let json = serde_json::from_str::<u8>("\"secret\"").unwrap_err();
    for (error, expected) in [
        (Error::WatchError(status()), refused(403)),
        (Error::InitialListFailed(kube::Error::Api(status())), refused(403)),
        (
            Error::WatchStartFailed(kube::Error::Service(overloaded.into())),
            WatchError::refused(429, "TooManyRequests"),
        ),
        (Error::WatchFailed(kube::Error::SerdeError(json)), WatchError::Unreadable),
        (Error::WatchFailed(kube::Error::Service("gone".into())), WatchError::OutOfReach),
        (Error::NoResourceVersion, WatchError::Unreadable),
    ] {
        assert_eq!(WatchError::of(&error), expected, "{error}");
    }
}

#[test]
fn watches_of_one_resource_add_up() {
    let mut registry = Registry::default();
    let watches = Watches::register(&mut registry);
    let failing = |resource: &str| {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let series = format!("failing_watches{{resource=\"{resource}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok())
    };
    let health = |resource: &str| watches.health(resource.to_owned(), "", None);
    let error = Error::WatchStartFailed(kube::Error::Service("gone".into()));
    let (ours, others, objects) = (health("secrets"), health("secrets"), health("presignedurls"));
    assert_eq!((failing("secrets"), failing("presignedurls")), (Some(0), Some(0)));
    for health in [&ours, &others, &ours, &objects] {
        health.failed(&error);
    }
    assert_eq!((failing("secrets"), failing("presignedurls")), (Some(2), Some(1)));
    ours.succeeded();
    ours.succeeded();
    assert_eq!(failing("secrets"), Some(1));
    drop(others);
    assert_eq!(failing("secrets"), Some(0));
}

#[tokio::test]
async fn a_request_that_is_accepted_ends_the_failure_of_its_watch() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        for code in [503, 200] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            let head = "content-length: 2\r\nconnection: close";
            let answer = format!("HTTP/1.1 {code} So\r\n{head}\r\n\r\n{{}}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let mut config = Config::new(url);
    config.default_retry = false;
    let health = Arc::new(Watches::default().health("secrets".to_owned(), "", None));
    let client = observed(&Client::try_from(config).unwrap(), &health);
    health.failed(&Error::WatchStartFailed(kube::Error::Service("gone".into())));
    for expected in [1, 0] {
        let request = Request::get("/api/v1/secrets?watch=true").body(Vec::new()).unwrap();
        assert_eq!(client.request_text(request).await.is_ok(), expected == 0);
        assert_eq!(health.failing.get(), expected);
    }
}
