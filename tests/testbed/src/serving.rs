//! A plain HTTP server on a loopback port, in a thread of its own, that mostly forwards.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    thread,
};

use anyhow::Result;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{runtime::Runtime, sync::oneshot};

use crate::disk::cannot;

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;
/// What is answered; an error closes the connection without an answer.
pub(crate) type Answer = io::Result<Response<Body>>;
/// A request whose body is here: it may be looked at, and is small.
pub(crate) type Whole = Request<Full<Bytes>>;
/// What forwards.
pub(crate) type Caller = Client<HttpConnector, Full<Bytes>>;

/// A running server, which ends when it is dropped.
pub(crate) struct Serving {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Serving {
    /// Serves on a free port.
    pub(crate) fn start<F, A>(answer: F) -> Result<Self>
    where
        F: Fn(Whole) -> A + Clone + Send + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot("listen on", "127.0.0.1"))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || run(runtime, listener, answer, stopped));
        Ok(Self { port, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves until `stopped`.
fn run<F, A>(runtime: Runtime, listener: TcpListener, answer: F, stopped: oneshot::Receiver<()>)
where
    F: Fn(Whole) -> A + Clone + Send + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    runtime.block_on(async {
        tokio::select! {
            () = accept(listener, answer) => {}
            _ = stopped => {}
        }
    });
    runtime.shutdown_background();
}

/// One task a connection.
async fn accept<F, A>(listener: TcpListener, answer: F)
where
    F: Fn(Whole) -> A + Clone + Send + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener that does not block");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let answer = answer.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                answer(Request::from_parts(parts, Full::new(body))).await
            }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// For forwarding over plain HTTP.
pub(crate) fn caller() -> Caller {
    Client::builder(TokioExecutor::new()).build_http()
}

/// No answer: the connection is closed.
pub(crate) fn closed() -> Answer {
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// Path and query.
pub(crate) fn path<B>(request: &Request<B>) -> String {
    request.uri().path_and_query().map(ToString::to_string).unwrap_or_default()
}

/// A body that is there as a whole.
pub(crate) fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// An answer of our own.
pub(crate) fn answer(code: u16, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
