//! What goes wrong by chance, with requests that no rule is for and with what watches deliver,
//! and a record of both.

use std::{io, sync::Arc, time::Duration};

use fastrand::Rng;
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Method, Response,
    body::{Bytes, Frame},
};
use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use super::{ProxyState, asked::is_watch, fault, forward::forward, record::Record};
use crate::serving::{Answer, Body, Whole, closed, path, whole};

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
    pub fn new(of_thousand: u64, from: Duration, to: Duration) -> Self {
        Self { of_thousand, from, to }
    }

    fn wait(self, random: &mut Rng) -> Duration {
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(random.u64(milliseconds(self.from)..=milliseconds(self.to.max(self.from))))
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
    chances: Mutex<Option<(Chances, Rng)>>,
    pub(super) record: Record,
}

impl ByChance {
    pub(super) fn set(&self, chances: Option<Chances>) {
        *self.chances.lock() = chances.map(|chances| {
            let random = Rng::with_seed(chances.seed);
            (chances, random)
        });
    }

    fn draw(&self, is_write: bool) -> Lot {
        let mut chances = self.chances.lock();
        let Some((chances, random)) = chances.as_mut() else { return Lot::Nothing };
        let mut drawn = random.u64(..1000);
        let mut falls_to = |share: u64| {
            let falls = drawn < share;
            drawn = drawn.saturating_sub(share);
            falls
        };
        if is_write && falls_to(chances.hanging_writes.of_thousand) {
            let is_carried_out = random.bool();
            return Lot::Hang { wait: chances.hanging_writes.wait(random), is_carried_out };
        }
        if falls_to(chances.refused) {
            return Lot::Refuse;
        }
        if falls_to(chances.failed) {
            return Lot::Fail;
        }
        if falls_to(chances.late_requests.of_thousand) {
            return Lot::Late(chances.late_requests.wait(random));
        }
        if falls_to(chances.late_answers.of_thousand) {
            return Lot::LateAnswer(chances.late_answers.wait(random));
        }
        Lot::Nothing
    }

    /// How long the next event of a watch waits.
    fn event_delay(&self) -> Duration {
        let mut chances = self.chances.lock();
        let Some((chances, random)) = chances.as_mut() else { return Duration::ZERO };
        let is_late = random.u64(..1000) < chances.late_events.of_thousand;
        if is_late { chances.late_events.wait(random) } else { Duration::ZERO }
    }
}

/// Passes on a request that no rule is for.
pub(super) async fn pass(shared: &Arc<ProxyState>, request: Whole) -> Answer {
    let by_chance = &shared.by_chance;
    let path = path(&request);
    let is_watch = is_watch(&path);
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD);
    let sent = by_chance.record.sent(request.method().as_str(), &path, is_watch);
    let lot = by_chance.draw(is_write);
    match lot {
        Lot::Refuse => return Ok(fault::overloaded(1)),
        Lot::Fail => return Ok(fault::status(500, "InternalError", 0)),
        Lot::Late(wait) => sleep(wait).await,
        Lot::Hang { wait, is_carried_out: false } => {
            sleep(wait).await;
            return closed();
        }
        Lot::Nothing | Lot::LateAnswer(_) | Lot::Hang { .. } => {}
    }
    let mut answer = forward(shared, request).await?;
    if let Some(sent) = sent.filter(|_| is_write) {
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await?.to_bytes();
        by_chance.record.answered(sent, head.status.as_u16(), &bytes);
        answer = Response::from_parts(head, whole(bytes));
    }
    match lot {
        Lot::LateAnswer(wait) => sleep(wait).await,
        Lot::Hang { wait, .. } => {
            sleep(wait).await;
            return closed();
        }
        _ => {}
    }
    Ok(if is_watch && by_chance.record.is_kept() {
        answer.map(|body| delivered(body, shared.clone()))
    } else {
        answer
    })
}

/// A watch whose events come late by chance, in their order, and are put on record as they are
/// delivered.
fn delivered(mut body: Body, shared: Arc<ProxyState>) -> Body {
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

    /// Whether a lot is of the kind that a chance is for.
    type IsMeant = fn(Lot) -> bool;

    #[test]
    fn each_chance_decides_how_many_requests_it_befalls() {
        let (by_chance, chance) = (ByChance::default(), Chance::new(500, Duration::ZERO, Duration::ZERO));
        let count = |chances: Chances, is_write, is_meant: IsMeant| {
            by_chance.set(Some(chances));
            (0..1000).filter(|_| is_meant(by_chance.draw(is_write))).count()
        };
        let hanging = Chances { hanging_writes: chance, ..Chances::default() };
        let cases: [(Chances, IsMeant); 5] = [
            (hanging.clone(), |lot| matches!(lot, Lot::Hang { .. })),
            (Chances { refused: 500, ..Chances::default() }, |lot| matches!(lot, Lot::Refuse)),
            (Chances { failed: 500, ..Chances::default() }, |lot| matches!(lot, Lot::Fail)),
            (Chances { late_requests: chance, ..Chances::default() }, |lot| matches!(lot, Lot::Late(_))),
            (Chances { late_answers: chance, ..Chances::default() }, |lot| matches!(lot, Lot::LateAnswer(_))),
        ];
        for (chances, is_meant) in cases {
            let found = count(chances.clone(), true, is_meant);
            assert!((400..600).contains(&found), "{found} of 1000: {chances:?}");
        }
        assert_eq!(count(hanging, false, |lot| !matches!(lot, Lot::Nothing)), 0, "a read does not hang");
    }
}
