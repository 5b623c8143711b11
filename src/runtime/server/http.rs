//! The operator's own HTTP server: takes connections in, and ends each within seconds.
//!
//! What is answered is said in `pages.rs`, who has to go when there are too many in
//! `connections.rs`.
//!
//! A port may be reachable by the whole cluster, so a peer gets one request per connection and a
//! few seconds for it, and is never waited for: connections are taken in as they come.

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

/// At some 20 KiB each.
const MAX_CONNECTIONS: usize = 512;
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// What is in flight at shutdown takes milliseconds; a peer that does not read is not waited for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after a failed accept. It fails at once and again while file descriptors are used up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// A port, and what is behind it.
#[derive(Debug)]
pub struct Site {
    /// What it shows.
    pub pages: Pages,
    /// Its certificate; plain HTTP without one.
    pub tls: Option<Arc<Tls>>,
}

/// Serves until `shutdown` resolves, then lets what is in flight end.
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
                // The next one may be a probe.
                connections.close_one();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One request and its answer, encrypted where there is a certificate.
async fn converse(peer: IpAddr, stream: TcpStream, tls: Option<Arc<Tls>>, pages: Pages, watcher: Watcher) {
    let conversation = async {
        match tls {
            None => answer(peer, stream, pages, watcher).await,
            Some(tls) => match timeout(HEADER_READ_TIMEOUT, tls.accept(peer, stream)).await {
                Ok(Ok(stream)) => answer(peer, stream, pages, watcher).await,
                Ok(Err(error)) => tracing::debug!(%error, "a peer did not shake hands"),
                Err(_) => tracing::debug!("a peer took too long to shake hands"),
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
