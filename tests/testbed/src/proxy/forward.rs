//! The forwarding itself: one task a connection, one upstream call a request.

use std::{io, sync::Arc, time::Duration};

use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Uri,
    body::{Bytes, Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{oneshot, watch},
};

use super::{
    Action, Ending, Fault, Shared,
    fault::{self, Answer},
};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Serves until `stopped`.
pub(super) fn run(
    runtime: Runtime,
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    stopped: oneshot::Receiver<()>,
) {
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).expect("a listener that does not block");
        tokio::select! {
            () = accept(listener, shared) => {}
            _ = stopped => {}
        }
    });
    runtime.shutdown_background();
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Incoming>();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (shared, client) = (shared.clone(), client.clone());
        let service = service_fn(move |request| answer(shared.clone(), client.clone(), request));
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// What is answered; an error closes the connection without an answer.
async fn answer(
    shared: Arc<Shared>,
    client: Client<HttpConnector, Incoming>,
    request: Request<Incoming>,
) -> Result<Answer, io::Error> {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let is_watch = ["watch=true", "watch=1"].iter().any(|watch| path.contains(watch));
    match shared.action(request.method().as_str(), &path) {
        None => forward(&shared, &client, request, is_watch).await,
        Some(Action::Fault(Fault::Drop)) => Err(io::ErrorKind::ConnectionAborted.into()),
        Some(Action::Fault(Fault::Delay(delay))) => {
            tokio::time::sleep(delay).await;
            forward(&shared, &client, request, is_watch).await
        }
        Some(Action::Fault(Fault::LoseAnswer)) => {
            let answer = forward(&shared, &client, request, is_watch).await?;
            drop(answer);
            Err(io::ErrorKind::ConnectionAborted.into())
        }
        Some(Action::Fault(Fault::BreakOff(bytes))) => {
            let answer = forward(&shared, &client, request, is_watch).await?;
            Ok(answer.map(|body| broken_off(body, bytes)))
        }
        Some(Action::Fault(Fault::Answer { code, reason, retry_after })) => {
            Ok(fault::status(code, reason, retry_after))
        }
        Some(Action::Fault(Fault::Status(status))) => {
            let code = status["code"].as_u64().and_then(|code| code.try_into().ok()).unwrap_or_default();
            Ok(fault::body(code, &status))
        }
        Some(Action::Fault(Fault::Gone)) => Ok(fault::body(200, &fault::gone())),
        Some(Action::Hold { place, is_after: false }) => {
            place.stand().await;
            forward(&shared, &client, request, is_watch).await
        }
        Some(Action::Hold { place, is_after: true }) => {
            let answer = forward(&shared, &client, request, is_watch).await;
            place.stand().await;
            answer
        }
    }
}

async fn forward(
    shared: &Shared,
    client: &Client<HttpConnector, Incoming>,
    mut request: Request<Incoming>,
    is_watch: bool,
) -> Result<Answer, io::Error> {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let uri: Uri = format!("http://127.0.0.1:{}{path}", shared.upstream).parse().map_err(io::Error::other)?;
    *request.uri_mut() = uri;
    request.headers_mut().remove(hyper::header::HOST);
    // Before the call: a watch that is cut while it begins is cut too.
    let mut endings = shared.endings.subscribe();
    endings.mark_unchanged();
    let answer = client.request(request).await.map_err(io::Error::other)?;
    Ok(answer.map(|body| {
        let body = body.map_err(io::Error::other).boxed_unsync();
        if is_watch { endable(body, endings) } else { body }
    }))
}

/// The first bytes of a body, and then a broken connection.
fn broken_off(body: Body, bytes: usize) -> Body {
    let frames = futures::stream::unfold(Some((body, bytes)), |state| async move {
        let (mut body, left) = state?;
        if left == 0 {
            // What was shown is on its way by then; hyper drops what it still holds.
            tokio::time::sleep(Duration::from_millis(100)).await;
            return Some((Err(io::ErrorKind::ConnectionReset.into()), None));
        }
        let data = body.frame().await?.ok()?.into_data().unwrap_or_default();
        let shown = data.slice(..data.len().min(left));
        let left = left - shown.len();
        Some((Ok(Frame::data(shown)), Some((body, left))))
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

/// A body that ends when watches are told to.
fn endable(body: Body, endings: watch::Receiver<Ending>) -> Body {
    let frames = futures::stream::unfold(Some((body, endings)), |state| async move {
        let (mut body, mut endings) = state?;
        tokio::select! {
            frame = body.frame() => frame.map(|frame| (frame, Some((body, endings)))),
            Ok(()) = endings.changed() => Some((ending(*endings.borrow()), None)),
        }
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

/// The last that is seen of a watch. Events are written whole, one in a frame, as the API
/// server flushes them; where a large one is split, a client sees a line that it cannot read.
fn ending(ending: Ending) -> io::Result<Frame<Bytes>> {
    match ending {
        Ending::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        Ending::Gone => Ok(Frame::data(format!("{}\n", fault::gone()).into())),
    }
}
