//! The client for the API server: every call has a deadline and is counted, and a write is
//! sent only by who leads.
//!
//! How a request is named is `request.rs`, the last look before a write `fence.rs`. Which
//! calls are made, and what a failure means, is decided by who calls; nothing is retried here.

mod fence;
mod most_recent;
mod request;
mod watches;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body as HttpBody, Bytes};
use hyper::header::HeaderValue;
use hyper::{Request, Response, StatusCode};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tower::layer::layer_fn;
use tower::{BoxError, Service};

use crate::runtime::client::request::{ApiRequest, Verb};
pub use fence::NotLeading;

use crate::runtime::client::fence::fenced;
use crate::runtime::client::most_recent::most_recent;
use crate::runtime::client::watches::Watches;
use crate::runtime::leader::Leadership;

/// Counts requests to the API server by verb, resource and status code.
#[derive(Clone, Debug, Default)]
pub struct ApiCalls {
    requests: Family<Labels, Counter>,
    watches: Watches,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    verb: &'static str,
    resource: String,
    code: String,
}

impl ApiCalls {
    /// Registers `api_requests_total` and `failing_watches`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let calls = Self { requests: Family::default(), watches: Watches::register(registry) };
        let help = "Requests to the API server; the code is 'error' when no whole answer came";
        registry.register("api_requests", help, calls.requests.clone());
        calls
    }

    fn count(&self, request: ApiRequest, status: Option<StatusCode>) {
        let ApiRequest { verb, resource } = request;
        let code = status.map_or_else(|| "error".to_owned(), |status| status.as_str().to_owned());
        let labels = Labels { verb: verb.into(), resource, code };
        self.requests.get_or_create(&labels).inc();
    }
}

/// The API server did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("the API server did not answer within {} s: {verb} {resource}", deadline.as_secs_f32())]
pub struct DeadlineExceeded {
    verb: &'static str,
    resource: String,
    deadline: Duration,
}

/// How the API server's audit log names us; with the process, where its name can be a header.
fn user_agent(identity: &str) -> HeaderValue {
    const PROGRAM: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
    HeaderValue::try_from(format!("{PROGRAM} ({identity})"))
        .unwrap_or_else(|_| HeaderValue::from_static(PROGRAM))
}

/// What holds for every call of a client.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The name of this process.
    pub identity: String,
    /// How long a call may take.
    pub deadline: Duration,
    /// Who may write; the lease itself is written without.
    pub leadership: Leadership,
}

/// Builds the client for the API server that `config` names.
///
/// # Guarantees
/// - A call is sent once. kube's own policy would send it up to 15 times, with pauses of up to
///   1000 s: a write would then be one that was decided long ago.
/// - A call fails with [`DeadlineExceeded`] (inside `kube::Error::Service`) when its whole answer
///   is not there within `deadline`.
/// - A write is sent only while `leadership` lasts, and given up when that ends: it fails with
///   [`NotLeading`](NotLeading) (inside `kube::Error::Service`).
/// - A watch must *begin* to answer within it and may then go on. The idle time-out of kube's
///   watcher covers what follows, but not a request sent into a dead pooled connection.
///
/// # Caveats
/// An answer to anything but a watch is read into memory before it is handed on, as kube does
/// itself; do not follow logs with this client. A call that is dropped halfway is not counted.
pub fn client(mut config: Config, calls: ApiCalls, terms: Terms) -> Result<Client, kube::Error> {
    config.default_retry = false;
    // kube sets none, and an audit log without one names nobody.
    config.headers.push((hyper::header::USER_AGENT, user_agent(&terms.identity)));
    let counted = layer_fn(move |inner| Counted { inner, calls: calls.clone(), terms: terms.clone() });
    Ok(ClientBuilder::try_from(config)?.with_layer(&counted).build())
}

struct Counted<S> {
    inner: S,
    calls: ApiCalls,
    terms: Terms,
}

type Answer<B> = Response<Either<B, Full<Bytes>>>;

impl<S, B> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError> + 'static,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Answer<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(uri) = most_recent(request.uri()) {
            *request.uri_mut() = uri;
        }
        let named = ApiRequest::parse(request.method(), request.uri(), request.headers());
        let watched = watches::watched(request.uri());
        let pending = receive(self.inner.call(request), named.verb);
        let (calls, Terms { deadline, leadership, .. }) = (self.calls.clone(), self.terms.clone());
        Box::pin(async move {
            let late = || too_late(&named, deadline);
            let answer = if named.verb.is_read() {
                tokio::time::timeout(deadline, pending).await.unwrap_or_else(|_| Err(late()))
            } else {
                fenced(&leadership, deadline, pending, late).await
            };
            let status = answer.as_ref().ok().map(Response::status);
            calls.watches.note(&watched, &named, status);
            calls.count(named, status);
            answer
        })
    }
}

/// Waits for the whole answer; of a watch that was accepted, only for its beginning.
async fn receive<B, E>(
    pending: impl Future<Output = Result<Response<B>, E>>,
    verb: Verb,
) -> Result<Answer<B>, BoxError>
where
    E: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (head, body) = pending.await.map_err(Into::into)?.into_parts();
    if verb == Verb::Watch && head.status.is_success() {
        return Ok(Response::from_parts(head, Either::Left(body)));
    }
    let bytes = body.collect().await.map_err(Into::into)?.to_bytes();
    Ok(Response::from_parts(head, Either::Right(Full::new(bytes))))
}

fn too_late(request: &ApiRequest, deadline: Duration) -> BoxError {
    let resource = request.resource.clone();
    Box::new(DeadlineExceeded { verb: request.verb.into(), resource, deadline })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use prometheus_client::encoding::text::encode;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const SECRET: &str = "/api/v1/namespaces/a/secrets/b";
    const WATCH: &str = "/api/v1/secrets?watch=true";
    const DEADLINE: Duration = Duration::from_millis(200);

    struct Server {
        client: Client,
        metrics: Registry,
        received: Arc<AtomicUsize>,
    }

    /// A server that answers each connection with these bytes, and then says no more.
    async fn start(answer: &'static str) -> Server {
        start_for(Leadership::unopposed(), answer).await
    }

    async fn start_for(leadership: Leadership, answer: &'static str) -> Server {
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
        let terms = Terms { identity: "test".to_owned(), deadline: DEADLINE, leadership };
        let client = client(Config::new(url.parse().unwrap()), calls, terms).unwrap();
        Server { client, metrics, received }
    }

    impl Server {
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
    async fn sends_a_call_once() {
        let answer = "HTTP/1.1 429 Slow\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let server = start(answer).await;
        assert!(matches!(server.get(SECRET).await, Err(kube::Error::Api(status)) if status.code == 429));
        assert_eq!(server.received.load(Ordering::Relaxed), 1);
        server.assert_counted(r#"verb="get",resource="secrets",code="429""#);
    }

    #[tokio::test]
    async fn who_does_not_lead_reads_and_does_not_write() {
        let standby = Leadership::none(crate::runtime::Clock::system());
        let server = start_for(standby, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
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
            let server = start(answer).await;
            let error = server.get(SECRET).await.unwrap_err();
            let text = "the API server did not answer within 0.2 s: get secrets";
            assert!(error.to_string().ends_with(text), "{error}");
            server.assert_counted(r#"verb="get",resource="secrets",code="error""#);
        }
    }

    #[tokio::test]
    async fn a_watch_may_go_on_once_it_has_begun() {
        let server = start("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}").await;
        let endless = tokio::time::timeout(DEADLINE * 3, server.get(WATCH)).await;
        assert!(endless.is_err(), "the watch was cut: {endless:?}");
        server.assert_counted(r#"verb="watch",resource="secrets",code="200""#);

        let silent = start("").await;
        let error = silent.get(WATCH).await.unwrap_err();
        assert!(error.to_string().contains("did not answer within"), "{error}");
    }
}
