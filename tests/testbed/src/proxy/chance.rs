//! What goes wrong by chance, with requests that no rule is for and with what watches deliver,
//! and a record of both.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Response,
    body::{Bytes, Frame},
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Shared,
    fault::{self, Answer},
    forward::{Whole, forward},
    record::Record,
};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What goes wrong by chance.
#[derive(Clone, Debug, Default)]
pub struct Chances {
    /// The same seed makes the same choices for the same requests in the same order.
    pub seed: u64,
    /// Requests that wait before they reach the API server.
    pub late_requests: Chance,
    /// Requests that are carried out, and whose answers wait.
    pub late_answers: Chance,
    /// Writes that wait and then lose their connection; half of them have been carried out.
    pub hanging_writes: Chance,
    /// Events of watches that wait, and those behind them.
    pub late_events: Chance,
    /// How many of a thousand requests are answered 429 in plain text, with `Retry-After: 1`.
    pub refused: u64,
    /// How many of a thousand requests are answered 500.
    pub failed: u64,
}

/// How often something waits, and for how long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chance {
    /// Of a thousand.
    pub of_thousand: u64,
    /// The shortest wait.
    pub from: Duration,
    /// The longest wait.
    pub to: Duration,
}

impl Chance {
    /// A wait between `from` and `to` for so many of a thousand.
    #[must_use]
    pub fn new(of_thousand: u64, from: Duration, to: Duration) -> Self {
        Self { of_thousand, from, to }
    }
}

/// What is to happen to one request.
#[derive(Clone, Copy)]
enum Lot {
    Nothing,
    Late(Duration),
    LateAnswer(Duration),
    Hang { wait: Duration, is_carried_out: bool },
    Refuse,
    Fail,
}

/// The chances in force, and the record of what went through.
#[derive(Default)]
pub(super) struct ByChance {
    chances: Mutex<Option<(Chances, u64)>>,
    pub(super) record: Record,
}

impl ByChance {
    pub(super) fn set(&self, chances: Option<Chances>) {
        *self.lock() = chances.map(|chances| (chances.clone(), chances.seed));
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Chances, u64)>> {
        self.chances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, is_write: bool) -> Lot {
        let mut chances = self.lock();
        let Some((chances, state)) = chances.as_mut() else { return Lot::Nothing };
        let mut drawn = number(state) % 1000;
        let mut falls_to = |share: u64| {
            let falls = drawn < share;
            drawn = drawn.saturating_sub(share);
            falls
        };
        if is_write && falls_to(chances.hanging_writes.of_thousand) {
            let is_carried_out = number(state).is_multiple_of(2);
            return Lot::Hang { wait: wait(chances.hanging_writes, state), is_carried_out };
        }
        if falls_to(chances.refused) {
            return Lot::Refuse;
        }
        if falls_to(chances.failed) {
            return Lot::Fail;
        }
        if falls_to(chances.late_requests.of_thousand) {
            return Lot::Late(wait(chances.late_requests, state));
        }
        if falls_to(chances.late_answers.of_thousand) {
            return Lot::LateAnswer(wait(chances.late_answers, state));
        }
        Lot::Nothing
    }

    /// How long the next event of a watch waits.
    fn event_delay(&self) -> Duration {
        let mut chances = self.lock();
        let Some((chances, state)) = chances.as_mut() else { return Duration::ZERO };
        let is_late = number(state) % 1000 < chances.late_events.of_thousand;
        if is_late { wait(chances.late_events, state) } else { Duration::ZERO }
    }
}

/// The next number without a pattern (`SplitMix64`).
fn number(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn wait(chance: Chance, state: &mut u64) -> Duration {
    let span = u64::try_from(chance.to.saturating_sub(chance.from).as_millis()).unwrap_or(u64::MAX - 1);
    chance.from + Duration::from_millis(number(state) % (span + 1))
}

/// Passes on a request that no rule is for.
pub(super) async fn pass(
    shared: &Arc<Shared>,
    client: &Client<HttpConnector, Full<Bytes>>,
    request: Whole,
) -> Result<Answer, io::Error> {
    let by_chance = &shared.by_chance;
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let is_watch = ["watch=true", "watch=1"].iter().any(|watch| path.contains(watch));
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD);
    let sent = by_chance.record.sent(request.method().as_str(), &path, is_watch);
    let lot = by_chance.draw(is_write);
    match lot {
        Lot::Refuse => return Ok(refusal()),
        Lot::Fail => return Ok(fault::status(500, "InternalError", 0)),
        Lot::Late(wait) => sleep(wait).await,
        Lot::Hang { wait, is_carried_out: false } => {
            sleep(wait).await;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Lot::Nothing | Lot::LateAnswer(_) | Lot::Hang { .. } => {}
    }
    let mut answer = forward(shared, client, request).await?;
    if let Some(sent) = sent.filter(|_| is_write) {
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await?.to_bytes();
        by_chance.record.answered(sent, head.status.as_u16(), &bytes);
        answer = Response::from_parts(head, full(bytes));
    }
    match lot {
        Lot::LateAnswer(wait) => sleep(wait).await,
        Lot::Hang { wait, .. } => {
            sleep(wait).await;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        _ => {}
    }
    Ok(if is_watch && by_chance.record.is_kept() {
        answer.map(|body| delivered(body, shared.clone()))
    } else {
        answer
    })
}

/// What the API server says when too many requests are under way.
fn refusal() -> Answer {
    let mut answer = Response::new(full("Too many requests, please try again later.\n".into()));
    *answer.status_mut() = hyper::StatusCode::TOO_MANY_REQUESTS;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

fn full(bytes: Bytes) -> Body {
    Full::from(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A watch whose events come late by chance, in their order, and are put on record as they are
/// delivered.
fn delivered(mut body: Body, shared: Arc<Shared>) -> Body {
    let (sender, due) = mpsc::unbounded_channel::<(Instant, io::Result<Frame<Bytes>>)>();
    let reader = shared.clone();
    tokio::spawn(async move {
        let mut at = Instant::now();
        loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = sender.closed() => return,
            };
            let Some(frame) = frame else { return };
            at = at.max(Instant::now() + reader.by_chance.event_delay());
            if sender.send((at, frame)).is_err() {
                return;
            }
        }
    });
    let frames =
        futures::stream::unfold((due, Vec::new(), shared), |(mut due, mut rest, shared)| async move {
            let (at, frame) = due.recv().await?;
            sleep_until(at).await;
            if let Some(bytes) = frame.as_ref().ok().and_then(Frame::data_ref) {
                shared.by_chance.record.shown(&mut rest, bytes);
            }
            Some((frame, (due, rest, shared)))
        });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_choices() {
        let by_chance = ByChance::default();
        let second = Duration::from_secs(1);
        let mut runs = [7, 7, 8].map(|seed| {
            let late_events = Chance::new(500, second, 2 * second);
            by_chance.set(Some(Chances { seed, late_events, ..Chances::default() }));
            (0..64).map(|_| by_chance.event_delay()).collect::<Vec<_>>()
        });
        assert_eq!(runs[0], runs[1]);
        assert_ne!(runs[0], runs[2]);
        runs[0].retain(|delay| !delay.is_zero());
        assert!((10..54).contains(&runs[0].len()), "about half of them: {}", runs[0].len());
        assert!(runs[0].iter().all(|delay| (second..=2 * second).contains(delay)));
        by_chance.set(None);
        assert_eq!(by_chance.event_delay(), Duration::ZERO);
    }
}
