//! The forwarding itself: one task a connection, one upstream call a request.

use std::{convert::Infallible, io, net::Ipv4Addr, sync::Arc, sync::mpsc};

use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::{Bytes, Frame, Incoming},
    header::{HeaderValue, RETRY_AFTER},
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};

use super::{Action, Fault, Shared};

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// Serves until `stopped`; says through `listening` when it does.
pub(super) fn run(
    port: u16,
    shared: &Arc<Shared>,
    stopped: oneshot::Receiver<()>,
    listening: &mpsc::Sender<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await else { return };
        let _ = listening.send(());
        tokio::select! {
            () = accept(listener, shared.clone()) => {}
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
    let is_watch = path.contains("watch=true");
    match shared.action(request.method().as_str(), &path) {
        None => forward(&shared, &client, request, is_watch).await,
        Some(Action::Fault(Fault::Drop)) => Err(io::ErrorKind::ConnectionAborted.into()),
        Some(Action::Fault(Fault::Delay(delay))) => {
            tokio::time::sleep(delay).await;
            forward(&shared, &client, request, is_watch).await
        }
        Some(Action::Fault(Fault::Answer { code, reason, retry_after })) => {
            Ok(status(code, reason, retry_after))
        }
        Some(Action::Hold { hold, is_after: false }) => {
            hold.stand().await;
            forward(&shared, &client, request, is_watch).await
        }
        Some(Action::Hold { hold, is_after: true }) => {
            let answer = forward(&shared, &client, request, is_watch).await;
            hold.stand().await;
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
    let cuts = shared.cuts.subscribe();
    let answer = client.request(request).await.map_err(io::Error::other)?;
    Ok(answer.map(|body| {
        let body = body.map_err(io::Error::other);
        if is_watch { cuttable(body.boxed_unsync(), cuts) } else { body.boxed_unsync() }
    }))
}

/// A body that breaks off when watches are cut.
fn cuttable(
    body: UnsyncBoxBody<Bytes, io::Error>,
    cuts: watch::Receiver<u64>,
) -> UnsyncBoxBody<Bytes, io::Error> {
    let frames = futures::stream::unfold(Some((body, cuts)), |state| async move {
        let (mut body, mut cuts) = state?;
        tokio::select! {
            frame = body.frame() => frame.map(|frame| (frame, Some((body, cuts)))),
            _ = cuts.changed() => Some((Err::<Frame<Bytes>, _>(io::ErrorKind::ConnectionReset.into()), None)),
        }
    });
    BodyExt::boxed_unsync(http_body_util::StreamBody::new(frames))
}

/// A status as the API server writes them.
fn status(code: u16, reason: &str, retry_after: u32) -> Answer {
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": format!("injected {reason}"), "details": {"retryAfterSeconds": retry_after},
    });
    let body = Full::from(body.to_string()).map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if retry_after > 0 {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
    }
    answer
}
