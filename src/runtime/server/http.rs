//! The HTTP server of the operator. It accepts connections and closes each within seconds.
//!
//! `pages.rs` answers requests for probes and metrics. `connections.rs` decides which connection is closed when there are too
//! many.
//!
//! The whole cluster may be able to reach the port. A peer therefore gets one request per connection and
//! a few seconds for it, and never delays others: connections are accepted as they come.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::runtime::server::connections::Connections;
use crate::runtime::server::pages::Pages;
use crate::runtime::server::tls::Tls;

/// The most open connections. Each takes about 20 KiB of memory.
const MAX_CONNECTIONS: usize = 512;
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause after a failed accept, which fails again at once while no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// What answers the requests of a port.
pub trait Answers: Clone + Send + Sync + 'static {
    /// How long a connection may take, with its handshake.
    const CONNECTION_TIMEOUT: Duration;
    /// How long a shutdown waits for the requests in progress.
    const DRAIN_TIMEOUT: Duration;

    /// Answers a request of a peer.
    fn serve_request(
        &self,
        peer: IpAddr,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

impl Answers for Pages {
    const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
    /// A page takes milliseconds, unless a peer does not read.
    const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

    async fn serve_request(&self, peer: IpAddr, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.answer(peer, request.method(), request.uri().path(), request.headers()).await
    }
}

/// What a port serves.
#[derive(Debug)]
pub struct Site<A = Pages> {
    /// The pages of the port, or what else answers its requests.
    pub answers: A,
    /// The certificate of the port; `None` for plain HTTP.
    pub tls: Option<Arc<Tls>>,
}

/// Serves until `shutdown` resolves, then waits a few seconds for the requests in flight.
pub async fn serve<A: Answers, S: Future>(listener: TcpListener, site: Site<A>, shutdown: S) {
    let (mut connections, graceful) = (Connections::new(MAX_CONNECTIONS), GracefulShutdown::new());
    tokio::select! {
        () = accept(&listener, &site, &graceful, &mut connections) => {}
        () = reload_on_change(site.tls.as_deref()) => {}
        _ = shutdown => {}
    }
    drop(listener);
    if timeout(A::DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::debug!("a peer of the operator's port did not finish in time");
    }
}

async fn reload_on_change(tls: Option<&Tls>) {
    match tls {
        Some(tls) => tls.reload_on_change().await,
        None => std::future::pending().await,
    }
}

async fn accept<A: Answers>(
    listener: &TcpListener,
    site: &Site<A>,
    graceful: &GracefulShutdown,
    connections: &mut Connections,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connections.ended() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (answers, tls) = (site.answers.clone(), site.tls.clone());
                let peer = peer.ip();
                connections.add(peer, serve_connection(peer, stream, tls, answers, graceful.watcher()));
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                // A closed connection frees a file descriptor, because the next peer may be a probe.
                connections.close_one();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Handles one connection: one request and its answer, encrypted if the port has a certificate.
async fn serve_connection<A: Answers>(
    peer: IpAddr,
    stream: TcpStream,
    tls: Option<Arc<Tls>>,
    answers: A,
    watcher: Watcher,
) {
    let connection = async {
        match tls {
            None => answer(peer, stream, answers, watcher).await,
            Some(tls) => match timeout(HEADER_READ_TIMEOUT, tls.accept(peer, stream)).await {
                Ok(Ok(stream)) => answer(peer, stream, answers, watcher).await,
                Ok(Err(error)) => tracing::debug!(%error, "the TLS handshake with a client failed"),
                Err(_) => tracing::debug!("the TLS handshake with a client took too long"),
            },
        }
    };
    if timeout(A::CONNECTION_TIMEOUT, connection).await.is_err() {
        tracing::debug!("a connection took too long");
    }
}

async fn answer(
    peer: IpAddr,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    answers: impl Answers,
    watcher: Watcher,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answers = answers.clone();
        async move { Ok::<_, Infallible>(answers.serve_request(peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection broke");
    }
}

#[cfg(test)]
mod tests;
