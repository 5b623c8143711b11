//! Requests to one server over https whose certificate a private authority issued.
//!
//! Each request has a connection of its own, so that several replicas share the requests, and one that is
//! gone fails one attempt and no more. TLS sessions are resumed. There is no proxy and no redirect.

mod origin;
mod roots;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{Either, select};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use self::origin::{HttpsOrigin, InvalidOrigin};
use self::roots::RootsFile;
use super::causes::CallFailure;

/// How long the connection to one address may take, with its TLS handshake.
const CONNECT: Duration = Duration::from_secs(4);
/// How long a request may take in all.
const DEADLINE: Duration = Duration::from_secs(15);
const PROGRAM: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// Sends requests to one server.
#[derive(Debug)]
pub struct HttpsClient {
    origin: HttpsOrigin,
    roots: RootsFile,
    /// With which address the next request begins.
    next: AtomicUsize,
}

/// An answer. It has no `Debug`, because its body can hold secrets.
pub struct HttpsAnswer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpsFailure {
    /// The file with the certificate authorities cannot be used.
    #[error("{0}")]
    Roots(String),
    /// The name of the server cannot be resolved.
    #[error("its name cannot be resolved")]
    Unresolved,
    /// No connection was made.
    #[error("it cannot be reached ({0})")]
    Unreachable(#[source] io::Error),
    /// The TLS handshake failed.
    #[error("the TLS connection fails ({0})")]
    Tls(#[source] io::Error),
    /// There was no whole answer in time.
    #[error("it did not answer within 15 s")]
    Timeout,
    /// The body of the answer is longer than what is read.
    #[error("its answer is too long")]
    TooLong,
    /// The answer is not HTTP.
    #[error("its answer is not HTTP")]
    Garbage,
    /// The connection was closed before the end of the answer.
    #[error("it closed the connection before the end of its answer")]
    Cut,
}

impl HttpsClient {
    /// A client for a server, whose certificate must be issued by an authority in a file (PEM). The file can
    /// appear later.
    #[must_use]
    pub fn new(origin: HttpsOrigin, roots: PathBuf) -> Self {
        Self { origin, roots: RootsFile::new(roots), next: AtomicUsize::new(0) }
    }

    /// Sends JSON with the method POST.
    ///
    /// # Guarantees
    /// It takes at most 15 seconds. Nothing is sent before the certificate of the server was checked. Of the
    /// answer, at most `longest` bytes are accepted.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection.
    pub async fn post(
        &self,
        path: &'static str,
        mut authorization: HeaderValue,
        json: Vec<u8>,
        longest: usize,
    ) -> Result<HttpsAnswer, HttpsFailure> {
        authorization.set_sensitive(true);
        let authority = HeaderValue::try_from(self.origin.authority()).map_err(|_| HttpsFailure::Garbage)?;
        let mut request = Request::new(Full::new(Bytes::from(json)));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = Uri::from_static(path);
        request.headers_mut().extend([
            (HOST, authority),
            (AUTHORIZATION, authorization),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (CONNECTION, HeaderValue::from_static("close")),
            (USER_AGENT, HeaderValue::from_static(PROGRAM)),
        ]);
        let exchange = async { exchange(self.connect().await?, request, longest).await };
        timeout(DEADLINE, exchange).await.unwrap_or(Err(HttpsFailure::Timeout))
    }

    /// Connects to the first address that answers.
    async fn connect(&self) -> Result<TlsStream<TcpStream>, HttpsFailure> {
        let config = self.roots.config().await.map_err(HttpsFailure::Roots)?;
        let found = tokio::net::lookup_host(self.origin.target()).await;
        let mut addresses: Vec<SocketAddr> = found.map_err(|_| HttpsFailure::Unresolved)?.collect();
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let first = next.checked_rem(addresses.len()).ok_or(HttpsFailure::Unresolved)?;
        addresses.rotate_left(first);
        let mut last = HttpsFailure::Unresolved;
        for address in addresses {
            let late = || Err(HttpsFailure::Unreachable(io::ErrorKind::TimedOut.into()));
            match timeout(CONNECT, self.connect_to(address, config.clone())).await.unwrap_or_else(|_| late())
            {
                Ok(stream) => return Ok(stream),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    async fn connect_to(
        &self,
        address: SocketAddr,
        config: Arc<ClientConfig>,
    ) -> Result<TlsStream<TcpStream>, HttpsFailure> {
        let stream = TcpStream::connect(address).await.map_err(HttpsFailure::Unreachable)?;
        let _ = stream.set_nodelay(true);
        let connector = TlsConnector::from(config);
        connector.connect(self.origin.server_name(), stream).await.map_err(HttpsFailure::Tls)
    }
}

/// Sends a request over a connection, and reads the whole answer.
async fn exchange(
    stream: TlsStream<TcpStream>,
    request: Request<Full<Bytes>>,
    longest: usize,
) -> Result<HttpsAnswer, HttpsFailure> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let answer = pin!(async move {
        let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), longest).collect().await;
        let body = body.map_err(|error| failed(&*error))?.to_bytes().into();
        Ok(HttpsAnswer { status, body })
    });
    match select(answer, pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        // The server has closed the connection, and what it sent is still to be read.
        Either::Right((_, answer)) => answer.await,
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> HttpsFailure {
    match CallFailure::of(error) {
        CallFailure::TooLong => HttpsFailure::TooLong,
        CallFailure::Garbage => HttpsFailure::Garbage,
        _ => HttpsFailure::Cut,
    }
}
