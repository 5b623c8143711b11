//! The client for the API server. Every call has a deadline and is counted, and only the leader sends
//! writes.
//!
//! `request.rs` names requests, and `fence.rs` checks the leadership before a write. `overload.rs` and
//! `skew.rs` read the headers of answers. `guard.rs`, `reach.rs`, `proxy.rs` and `connectors.rs` are for
//! calls to other servers: they refuse internal addresses. `https` is for one server that the administrator
//! names. The caller decides which calls are made and what a failure
//! means. Nothing is retried here.

mod body;
mod causes;
mod connectors;
mod fence;
mod guard;
mod https;
mod most_recent;
mod overload;
mod proxy;
mod reach;
mod request;
mod skew;
#[cfg(test)]
mod tests;
mod trust;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{Either, Full};
use hyper::body::{Body as HttpBody, Bytes};
use hyper::header::HeaderValue;
use hyper::{Request, Response, StatusCode};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tower::layer::layer_fn;
use tower::{BoxError, Service};

use crate::runtime::client::fence::fenced;
use crate::runtime::client::most_recent::most_recent;
use crate::runtime::client::request::{ApiRequest, Verb};
use crate::runtime::leader::Leadership;
pub use causes::CallFailure;
pub use connectors::{ConnectOptions, Connectors, InvalidCaBundle, InvalidConnectorSettings};
pub use fence::NotLeading;
pub use guard::{AddressClass, Guard, ResolveFailure, classify, resolve};
pub use https::{HttpsAnswer, HttpsClient, HttpsFailure, HttpsOrigin, InvalidOrigin};
pub use overload::{Overload, Overloaded};
pub use reach::{AddressRange, Reach};
pub use skew::{Skew, http_date};

/// Counts requests to the API server by verb, resource and status code.
#[derive(Clone, Debug, Default)]
pub struct ApiCalls {
    requests: Family<RequestLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: &'static str,
    resource: String,
    code: String,
}

impl ApiCalls {
    /// Registers `api_requests_total`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let calls = Self::default();
        let help = "Requests to the API server; the code is 'error' if there was no complete response";
        registry.register("api_requests", help, calls.requests.clone());
        calls
    }

    fn count(&self, request: ApiRequest, status: Option<StatusCode>) {
        let ApiRequest { verb, resource } = request;
        let code = status.map_or_else(|| "error".to_owned(), |status| status.as_str().to_owned());
        let labels = RequestLabels { verb: verb.into(), resource, code };
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

/// How many large answers are read at a time. Each is in memory several times until it is parsed.
const LARGE_AT_ONCE: usize = 2;

/// The user agent in the audit log of the API server. It has the identity, if that fits into a header.
fn user_agent(identity: &str) -> HeaderValue {
    const PROGRAM: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
    HeaderValue::try_from(format!("{PROGRAM} ({identity})"))
        .unwrap_or_else(|_| HeaderValue::from_static(PROGRAM))
}

/// The settings that apply to every call of a client.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The identity of this process.
    pub identity: String,
    /// How long a call may take.
    pub deadline: Duration,
    /// The leadership that writes need. The client that writes the lease needs none.
    pub leadership: Leadership,
    /// Called when the API server is overloaded.
    pub overload: Overload,
    /// Measures the clock of the API server.
    pub skew: Skew,
}

/// Builds the client for the API server that `config` names.
///
/// # Guarantees
/// - A call is sent once. The retry policy of kube would send it up to 15 times, with pauses of up to
///   1000 s, so that a write could be sent long after its decision.
/// - A call fails with [`DeadlineExceeded`] (inside `kube::Error::Service`) when its whole answer does not
///   arrive within `deadline`.
/// - A write is sent only while `leadership` lasts, and is cancelled when that ends. It then fails with
///   [`NotLeading`] (inside `kube::Error::Service`).
/// - A 429 that concerns all calls, not only this one, fails with [`Overloaded`] (inside
///   `kube::Error::Service`), and `overload` is called. Any other 429 or 503 is a `kube::Error::Api` whose
///   `details.retryAfterSeconds` is filled from `Retry-After`.
/// - At most two answers over 64 KiB are read at a time. Others wait, within their `deadline`.
/// - The answer to a watch must *begin* within `deadline`, and may then continue. The idle timeout of
///   kube's watcher covers the rest, but not a request that is sent into a dead pooled connection.
///
/// # Caveats
/// The answer to any call but a watch is read into memory before it is returned, as kube does itself; do
/// not follow logs with this client. A call that is dropped before its answer is not counted.
pub fn client(mut config: Config, calls: ApiCalls, settings: ClientSettings) -> Result<Client, kube::Error> {
    config.default_retry = false;
    // kube sets no user agent, and without one an audit log does not name the client.
    config.headers.push((hyper::header::USER_AGENT, user_agent(&settings.identity)));
    let counted = layer_fn(move |inner| Counted::new(inner, calls.clone(), settings.clone()));
    Ok(ClientBuilder::try_from(config)?.with_layer(&counted).build())
}

/// The same client over `service` instead of the network, for tests. It has every guarantee of
/// [`client`], except that `service` decides how often a call is sent.
pub fn client_over<S, B>(service: S, calls: ApiCalls, settings: ClientSettings) -> Client
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Error: Into<BoxError> + 'static,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Client::new(Counted::new(service, calls, settings), "default")
}

struct Counted<S> {
    inner: S,
    calls: ApiCalls,
    settings: ClientSettings,
    large: Arc<Semaphore>,
}

impl<S> Counted<S> {
    fn new(inner: S, calls: ApiCalls, settings: ClientSettings) -> Self {
        Self { inner, calls, settings, large: Arc::new(Semaphore::new(LARGE_AT_ONCE)) }
    }
}

type ClientAnswer<B> = Response<Either<B, Full<Bytes>>>;

impl<S, B> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError> + 'static,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = ClientAnswer<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<ClientAnswer<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(uri) = most_recent(request.uri()) {
            *request.uri_mut() = uri;
        }
        let named = ApiRequest::parse(request.method(), request.uri(), request.headers());
        let pending =
            receive(self.inner.call(request), named.verb, self.settings.skew.clone(), self.large.clone());
        let (calls, settings) = (self.calls.clone(), self.settings.clone());
        Box::pin(async move {
            let ClientSettings { deadline, leadership, overload, .. } = settings;
            let late = || too_late(&named, deadline);
            let answer = if named.verb.is_read() {
                tokio::time::timeout(deadline, pending).await.unwrap_or_else(|_| Err(late()))
            } else {
                fenced(&leadership, deadline, pending, late).await
            };
            let overloaded = answer.as_ref().err().and_then(|error| error.downcast_ref::<Overloaded>());
            if let Some(overloaded) = overloaded {
                overload.notify(overloaded);
            }
            let refused = overloaded.map(|_| StatusCode::TOO_MANY_REQUESTS);
            calls.count(named, answer.as_ref().map_or(refused, |answer| Some(answer.status())));
            answer
        })
    }
}

/// Waits for the whole answer, or only for the head of the answer to a watch that was accepted.
async fn receive<B, E>(
    pending: impl Future<Output = Result<Response<B>, E>>,
    verb: Verb,
    skew: Skew,
    large: Arc<Semaphore>,
) -> Result<ClientAnswer<B>, BoxError>
where
    E: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let sent = skew.sent();
    let (mut head, body) = pending.await.map_err(Into::into)?.into_parts();
    skew.received(sent, &head.headers);
    if verb == Verb::Watch && head.status.is_success() {
        return Ok(Response::from_parts(head, Either::Left(body)));
    }
    let bytes = body::whole(body, &large).await?;
    let bytes = overload::read(&mut head, bytes, skew.clock())?;
    Ok(Response::from_parts(head, Either::Right(Full::new(bytes))))
}

fn too_late(request: &ApiRequest, deadline: Duration) -> BoxError {
    let resource = request.resource.clone();
    Box::new(DeadlineExceeded { verb: request.verb.into(), resource, deadline })
}
