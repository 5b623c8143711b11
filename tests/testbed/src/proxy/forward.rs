//! What becomes of one request: the forwarding itself.

use std::{io, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{
    Request, Uri,
    body::{Bytes, Frame},
};
use tokio::{sync::watch, time::sleep};

use super::{
    Action, Ending, Fault, ProxyState,
    asked::{Asked, is_watch},
    chance,
    events::Reader,
    fault,
};
use crate::serving::{Answer, Body, Whole, closed, path};

/// How long a client is given to take in what it was shown. Its watch and its other calls are
/// different connections, and nothing tells from here which of them it looks at first.
const TAKEN_IN: Duration = Duration::from_millis(300);

/// One upstream call a request, unless something else is to happen to it.
pub(super) async fn answer(shared: Arc<ProxyState>, request: Whole) -> Answer {
    // Before the rule is chosen: a heal that follows at once is not missed.
    let mut healings = shared.healings.subscribe();
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let request = Request::from_parts(parts, Full::new(body.clone()));
    let path = path(&request);
    let action = shared.action(&Asked { method: request.method().as_str(), path: &path, body: &body });
    let fault = match action {
        None => return chance::pass(&shared, request).await,
        Some(Action::Hold { place, is_after: false }) => {
            place.stand().await;
            return forward(&shared, request).await;
        }
        Some(Action::Hold { place, is_after: true }) => {
            let answer = forward(&shared, request).await;
            place.stand().await;
            return answer;
        }
        Some(Action::Fault(fault)) => fault,
    };
    match fault {
        Fault::Drop => closed(),
        Fault::Hang(duration) => {
            sleep(duration).await;
            closed()
        }
        Fault::Delay(delay) => {
            sleep(delay).await;
            forward(&shared, request).await
        }
        Fault::AnswerAfter(event) => {
            let awaited = shared.events.expect(event);
            let answer = forward(&shared, request).await;
            awaited.wait().await;
            sleep(TAKEN_IN).await;
            answer
        }
        Fault::HangUntilHealed => {
            let _ = healings.changed().await;
            forward(&shared, request).await
        }
        Fault::Buffer => {
            let going_on = tokio::spawn(async move {
                let _ = healings.changed().await;
                forward(&shared, request).await
            });
            going_on.await.map_err(io::Error::other)?
        }
        Fault::BreakOff(bytes) => Ok(forward(&shared, request).await?.map(|body| broken_off(body, bytes))),
        Fault::Answer { code, reason, retry_after } => Ok(fault::status(code, reason, retry_after)),
        Fault::Overloaded { retry_after } => Ok(fault::overloaded(retry_after)),
        Fault::NoStreamingLists => Ok(fault::no_streaming_lists()),
    }
}

pub(super) async fn forward(shared: &ProxyState, mut request: Whole) -> Answer {
    let path = path(&request);
    let uri: Uri = format!("http://127.0.0.1:{}{path}", shared.upstream).parse().map_err(io::Error::other)?;
    *request.uri_mut() = uri;
    request.headers_mut().remove(hyper::header::HOST);
    // Before the call: a watch that is cut while it begins is cut too.
    let mut endings = shared.endings.subscribe();
    endings.mark_unchanged();
    let answer = shared.client.request(request).await.map_err(io::Error::other)?;
    Ok(answer.map(|body| {
        let body = body.map_err(io::Error::other).boxed_unsync();
        if !is_watch(&path) {
            return body;
        }
        watched(body, endings, Reader::new(shared.events.clone(), shared.paused.clone(), &path))
    }))
}

/// The first bytes of a body, and then a broken connection.
fn broken_off(body: Body, bytes: usize) -> Body {
    let frames = futures::stream::unfold(Some((body, bytes)), |state| async move {
        let (mut body, left) = state?;
        if left == 0 {
            // What was shown is on its way by then; hyper drops what it still holds.
            sleep(Duration::from_millis(100)).await;
            return Some((Err(io::ErrorKind::ConnectionReset.into()), None));
        }
        let data = body.frame().await?.ok()?.into_data().unwrap_or_default();
        let shown = data.slice(..data.len().min(left));
        let left = left - shown.len();
        Some((Ok(Frame::data(shown)), Some((body, left))))
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

/// The body of a watch: somebody reads along, and it ends when watches are told to.
fn watched(body: Body, endings: watch::Receiver<Ending>, reader: Reader) -> Body {
    let frames = futures::stream::unfold(Some((body, endings, reader)), |state| async move {
        let (mut body, mut endings, mut reader) = state?;
        let next = async {
            let frame = body.frame().await;
            reader.pause().await;
            frame
        };
        tokio::select! {
            frame = next => frame.map(|frame| {
                if let Some(bytes) = frame.as_ref().ok().and_then(Frame::data_ref) {
                    reader.read(bytes);
                }
                (frame, Some((body, endings, reader)))
            }),
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
