//! A way to a security token service (STS) on which things can go wrong.
//!
//! Plain HTTP from the client under test to here, and from here on. It counts what is asked for,
//! keeps what is answered, sessions with their secrets among it, and answers wrongly, late or
//! not at all when it is told to.

mod call;
mod clock;
mod fault;

use std::{collections::BTreeMap, io, sync::Arc};

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, Uri,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_LENGTH},
};
use parking_lot::Mutex;
use tokio::{sync::watch, time::sleep};

use crate::serving::{self, Answer, Body, Caller, Serving, Whole, closed};
pub use call::{StsAnswer, element};
use clock::Clock;
pub use fault::StsFault;

/// How many answers are kept.
const KEPT: usize = 10_000;

/// A running server in front of an STS.
pub struct StsFront {
    serving: Serving,
    shared: Arc<FrontState>,
}

struct FrontState {
    client: Caller,
    upstream: String,
    state: Mutex<FrontRecord>,
    /// Sent when everything is well again.
    healings: watch::Sender<()>,
}

#[derive(Default)]
struct FrontRecord {
    counts: BTreeMap<(String, String), usize>,
    answers: Vec<StsAnswer>,
    /// What goes wrong for one role, and under `None` for all others.
    faults: BTreeMap<Option<String>, StsFault>,
    clock: Clock,
}

impl StsFront {
    /// Starts a server in front of an STS, such as `http://127.0.0.1:8080`. While nobody answers
    /// there, connections to here are closed without an answer.
    pub fn start(upstream: impl Into<String>) -> Result<Self> {
        let upstream = upstream.into().trim_end_matches('/').to_owned();
        upstream.parse::<Uri>().with_context(|| format!("{upstream} is no address"))?;
        let (state, healings) = (Mutex::default(), watch::Sender::default());
        let shared = Arc::new(FrontState { client: serving::caller(), upstream, state, healings });
        let answering = shared.clone();
        let serving = Serving::start(move |request| answer(answering.clone(), request))?;
        Ok(Self { serving, shared })
    }

    /// The address of the server: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.serving.port())
    }

    /// From now on this goes wrong with every request, except for those for a role with a fault
    /// of its own.
    pub fn fault(&self, fault: StsFault) {
        self.shared.state.lock().faults.insert(None, fault);
    }

    /// From now on this goes wrong with every request for a role, which is called by its ARN.
    pub fn fault_for(&self, role: impl Into<String>, fault: StsFault) {
        self.shared.state.lock().faults.insert(Some(role.into()), fault);
    }

    /// Ends all faults. What hangs until then ends without an answer.
    pub fn heal(&self) {
        self.shared.state.lock().faults.clear();
        self.shared.healings.send_replace(());
    }

    /// The header `Date` of every answer is off by so many seconds from now on.
    pub fn set_date_offset(&self, seconds: i64) {
        self.shared.state.lock().clock.date = seconds;
    }

    /// Sessions say from now on that they end so many seconds later than they do.
    pub fn set_expiration_offset(&self, seconds: i64) {
        self.shared.state.lock().clock.expiration = seconds;
    }

    /// How many requests have come for each action and role, which is called by its ARN.
    pub fn counts(&self) -> BTreeMap<(String, String), usize> {
        self.shared.state.lock().counts.clone()
    }

    /// How many requests have come for a role, or for any.
    pub fn count(&self, role: Option<&str>) -> usize {
        let is_counted = |counted: &str| role.is_none_or(|role| role == counted);
        let state = self.shared.state.lock();
        state.counts.iter().filter(|((_, role), _)| is_counted(role)).map(|(_, count)| count).sum()
    }

    /// The last answers, in order, also those that are faults.
    pub fn answers(&self) -> Vec<StsAnswer> {
        self.shared.state.lock().answers.clone()
    }
}

impl FrontState {
    /// Counts a request, and says what is to go wrong with it.
    fn begin(&self, call: &StsAnswer) -> Option<StsFault> {
        let mut state = self.state.lock();
        *state.counts.entry((call.action.clone(), call.role.clone())).or_default() += 1;
        let for_role = state.faults.get(&Some(call.role.clone()));
        for_role.or_else(|| state.faults.get(&None)).cloned()
    }

    async fn forward(&self, mut request: Whole) -> io::Result<Response<Bytes>> {
        let uri = format!("{}{}", self.upstream, serving::path(&request));
        // The header `Host` stays what it was: it is signed.
        *request.uri_mut() = uri.parse().map_err(io::Error::other)?;
        let answer = self.client.request(request).await.map_err(io::Error::other)?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }

    /// Keeps an answer, as it is sent.
    fn end(&self, call: StsAnswer, answer: Response<Bytes>) -> Response<Body> {
        let mut state = self.state.lock();
        let mut answer = state.clock.put_off(answer);
        answer.headers_mut().remove(CONTENT_LENGTH);
        if state.answers.len() == KEPT {
            state.answers.remove(0);
        }
        state.answers.push(call.answered(&answer));
        answer.map(serving::whole)
    }
}

async fn answer(shared: Arc<FrontState>, request: Whole) -> Answer {
    // Before the fault is chosen: a heal that follows at once is not missed.
    let mut healings = shared.healings.subscribe();
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let authorization = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let call =
        StsAnswer::asked(parts.uri.query().unwrap_or_default(), &body, authorization.unwrap_or_default());
    let request = Request::from_parts(parts, Full::new(body));
    let answer = match shared.begin(&call) {
        None => shared.forward(request).await?,
        Some(StsFault::Delay(delay)) => {
            sleep(delay).await;
            shared.forward(request).await?
        }
        Some(StsFault::Truncated) => {
            let whole = shared.forward(request).await?;
            whole.map(|body| body.slice(..body.len() / 2))
        }
        Some(StsFault::Hold) => {
            let _ = healings.changed().await;
            shared.forward(request).await?
        }
        Some(StsFault::Hang) => {
            let _ = healings.changed().await;
            return closed();
        }
        Some(StsFault::Close) => return closed(),
        Some(StsFault::Refuse { status, code }) => fault::refusal(status, code),
        Some(StsFault::Html) => fault::html(),
        Some(StsFault::Endless { bytes }) => fault::endless(bytes),
    };
    Ok(shared.end(call, answer))
}
