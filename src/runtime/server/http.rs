//! The HTTP server of the operator. It accepts connections and closes each within seconds.
//!
//! `pages.rs` answers requests. `connections.rs` decides which connection is closed when there are too
//! many.
//!
//! The whole cluster may be able to reach the port. A peer therefore gets one request per connection and
//! a few seconds for it, and never delays others: connections are accepted as they come.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
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
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a shutdown waits for requests. They take milliseconds, unless a peer does not read.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause after a failed accept, which fails again at once while no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// What a port serves.
#[derive(Debug)]
pub struct Site {
    /// The pages of the port.
    pub pages: Pages,
    /// The certificate of the port; `None` for plain HTTP.
    pub tls: Option<Arc<Tls>>,
}

/// Serves until `shutdown` resolves, then waits at most 2 s for the requests in flight.
pub async fn serve<S: Future>(listener: TcpListener, site: Site, shutdown: S) {
    let (mut connections, graceful) = (Connections::new(MAX_CONNECTIONS), GracefulShutdown::new());
    tokio::select! {
        () = accept(&listener, &site, &graceful, &mut connections) => {}
        () = follow(site.tls.as_deref()) => {}
        _ = shutdown => {}
    }
    drop(listener);
    if timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::debug!("a peer of the operator's port did not finish in time");
    }
}

async fn follow(tls: Option<&Tls>) {
    match tls {
        Some(tls) => tls.follow().await,
        None => std::future::pending().await,
    }
}

async fn accept(
    listener: &TcpListener,
    site: &Site,
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
                let (pages, tls) = (site.pages.clone(), site.tls.clone());
                let peer = peer.ip();
                connections.add(peer, converse(peer, stream, tls, pages, graceful.watcher()));
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
async fn converse(peer: IpAddr, stream: TcpStream, tls: Option<Arc<Tls>>, pages: Pages, watcher: Watcher) {
    let conversation = async {
        match tls {
            None => answer(peer, stream, pages, watcher).await,
            Some(tls) => match timeout(HEADER_READ_TIMEOUT, tls.accept(peer, stream)).await {
                Ok(Ok(stream)) => answer(peer, stream, pages, watcher).await,
                Ok(Err(error)) => tracing::debug!(%error, "the TLS handshake with a client failed"),
                Err(_) => tracing::debug!("the TLS handshake with a client took too long"),
            },
        }
    };
    if timeout(CONNECTION_TIMEOUT, conversation).await.is_err() {
        tracing::debug!("a connection took too long");
    }
}

async fn answer(
    peer: IpAddr,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    pages: Pages,
    watcher: Watcher,
) {
    let pages = Arc::new(pages);
    let service = service_fn(move |request: Request<Incoming>| {
        let pages = Arc::clone(&pages);
        async move {
            let (method, path) = (request.method(), request.uri().path());
            let answer = pages.answer(peer, method, path, request.headers()).await;
            Ok::<_, Infallible>(answer)
        }
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
