//! The operator's own HTTP server: `/livez`, `/readyz` and `/metrics` on one port.
//!
//! What the probes mean is said in `probes.rs`, and what is counted by those who count.
//!
//! | path | promise |
//! |---|---|
//! | `/livez` | 200 while the working loop beats, else 503: restarting the process helps |
//! | `/readyz` | 200 when every check has passed, else 503 and what is missing, one a line |
//! | `/metrics` | `OpenMetrics` text; 500 when it cannot be written |
//!
//! GET and HEAD only. The port is not authenticated and reachable by the whole cluster, so a peer
//! gets one request per connection, a few seconds for it, and a share of a bounded number.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::runtime::server::probes::Probes;

const MAX_CONNECTIONS: usize = 128;
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// What is in flight at shutdown takes milliseconds; a peer that does not read is not waited for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after a failed accept. It fails at once and again while file descriptors are used up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const MAX_HEADER_BYTES: usize = 16 * 1024;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

type Answer = Response<Full<Bytes>>;

/// Serves probes and metrics until `shutdown` resolves, then lets what is in flight end.
pub async fn serve<M, S>(listener: TcpListener, probes: Probes, metrics: M, shutdown: S)
where
    M: Fn() -> Result<String, fmt::Error> + Clone + Send + Sync + 'static,
    S: Future,
{
    let mut connections = JoinSet::new();
    tokio::select! {
        () = accept(&listener, &probes, &metrics, &mut connections) => {}
        _ = shutdown => {}
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN_TIMEOUT, drained).await.is_err() {
        tracing::debug!("a peer of the probe port did not finish in time");
    }
}

async fn accept<M>(listener: &TcpListener, probes: &Probes, metrics: &M, connections: &mut JoinSet<()>)
where
    M: Fn() -> Result<String, fmt::Error> + Clone + Send + Sync + 'static,
{
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(permit) = Arc::clone(&free).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection to the probe port");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (probes, metrics) = (probes.clone(), metrics.clone());
        connections.spawn(async move {
            converse(stream, probes, metrics).await;
            drop(permit);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn converse<M>(stream: TcpStream, probes: Probes, metrics: M)
where
    M: Fn() -> Result<String, fmt::Error> + Send + Sync + 'static,
{
    let service = service_fn(|request: Request<_>| {
        let answer = answer(request.method(), request.uri().path(), &probes, &metrics);
        std::future::ready(Ok::<_, std::convert::Infallible>(answer))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the probe port broke"),
        Err(_) => tracing::debug!("a connection to the probe port took too long"),
    }
}

fn answer<M>(method: &Method, path: &str, probes: &Probes, metrics: M) -> Answer
where
    M: Fn() -> Result<String, fmt::Error>,
{
    let respond: &dyn Fn() -> Answer = match path {
        "/livez" => &|| livez(probes),
        "/readyz" => &|| readyz(probes),
        "/metrics" => &|| scrape(&metrics),
        _ => return plain(StatusCode::NOT_FOUND, "not found"),
    };
    if method == Method::GET || method == Method::HEAD {
        return respond();
    }
    let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
    refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    refusal
}

fn livez(probes: &Probes) -> Answer {
    match probes.silence() {
        None => plain(StatusCode::OK, "ok"),
        Some(silence) => {
            let text = format!("the working loop has been silent for {} s", silence.as_secs());
            plain(StatusCode::SERVICE_UNAVAILABLE, &text)
        }
    }
}

fn readyz(probes: &Probes) -> Answer {
    let not_ready = probes.not_ready();
    if not_ready.is_empty() {
        return plain(StatusCode::OK, "ok");
    }
    plain(StatusCode::SERVICE_UNAVAILABLE, &not_ready.join("\n"))
}

fn scrape(metrics: impl Fn() -> Result<String, fmt::Error>) -> Answer {
    match metrics() {
        Ok(text) => respond(StatusCode::OK, OPEN_METRICS, text),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "cannot write the metrics"),
    }
}

fn plain(status: StatusCode, text: &str) -> Answer {
    respond(status, TEXT, format!("{text}\n"))
}

fn respond(status: StatusCode, content_type: HeaderValue, text: String) -> Answer {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;

    struct Server {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        task: JoinHandle<()>,
    }

    async fn start(probes: Probes) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let metrics = || Ok("# EOF\n".to_owned());
        let task = tokio::spawn(serve(listener, probes, metrics, stopped));
        Server { address, stop, task }
    }

    impl Server {
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
        assert_answer(&text, 503, "the working loop has been silent for 0 s\n");
    }

    #[tokio::test]
    async fn metrics_are_open_metrics() {
        let server = start(Probes::new(Duration::from_hours(1))).await;
        let text = server.ask("GET", "/metrics").await;
        assert!(
            text.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n")
        );
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

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_idle_peers_is_shown_out() {
        let server = start(Probes::new(Duration::from_hours(1))).await;
        let mut crowd = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            crowd.push(TcpStream::connect(server.address).await.unwrap());
        }
        assert_answer(&server.ask("GET", "/livez").await, 200, "ok\n");
    }

    #[tokio::test(start_paused = true)]
    async fn stops_when_told_and_does_not_wait_for_a_peer_for_ever() {
        let server = start(Probes::new(Duration::from_hours(1))).await;
        let _idle = TcpStream::connect(server.address).await.unwrap();
        server.ask("GET", "/livez").await;
        server.stop.send(()).unwrap();
        timeout(DRAIN_TIMEOUT * 2, server.task).await.unwrap().unwrap();
        assert!(TcpStream::connect(server.address).await.is_err());
    }
}
