//! The model API server as the operator's client reaches it: requests, their troubles on the way,
//! and answers.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::unfold;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use hyper::{Method, Request, Response};
use kube::client::Body;
use presign_operator::runtime::{ApiCalls, ClientSettings, Clock, ClockOffset, client_over};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tower::{BoxError, service_fn};

use crate::cluster::{Kind, Watcher, epoch, uid};
use crate::deeds::expect_writes;
use crate::state::{State, Write, of, target};

/// After how long a connection goes on which no answer comes: later than the operator's client
/// waits for one, and than its lease lasts.
const HANGS: Duration = Duration::from_secs(20);

/// What happens to a call on its way.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// The request takes so many milliseconds longer to arrive.
    LateRequest(u64),
    /// The answer takes so many milliseconds longer to arrive.
    LateAnswer(u64),
    /// It is carried out, and the answer never comes.
    LostAnswer,
    /// It never arrives.
    LostRequest,
    /// What it wrote is deleted at once, and the answer takes so many milliseconds longer.
    Undone(u64),
    /// It is refused: there are too many requests about the object.
    Busy,
    /// It is refused: there are too many requests of any kind, for so many seconds.
    Overloaded(u64),
    /// It is refused: something is wrong.
    Broken,
    /// It is carried out, and the reconcile that made it panics.
    Panic,
}

/// The API server and the clock, shared by the operator's calls and by those who do something to the cluster.
#[derive(Clone)]
pub struct Api {
    state: Arc<Mutex<State>>,
    pub clock: Clock,
    offset: ClockOffset,
}

pub type Answer = (u16, Value);

type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

impl Api {
    /// With nothing in it. Its clock follows the time of tokio.
    pub fn new() -> Self {
        let (clock, offset) = Clock::simulated(epoch());
        Self { state: Arc::default(), clock, offset }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The machine is suspended for so many seconds: the clock goes on, and no timer does.
    pub fn suspend(&self, seconds: u32) {
        self.offset.advance(seconds.into());
        expect_writes(&mut self.lock());
    }

    /// The operator's client, reaching this API server.
    pub fn client(&self, settings: ClientSettings) -> kube::Client {
        let api = self.clone();
        let service =
            service_fn(move |request| -> BoxFuture<'static, _> { Box::pin(api.clone().call(request)) });
        client_over(service, ApiCalls::default(), settings)
    }

    async fn call(self, request: Request<Body>) -> Result<Response<AnswerBody>, BoxError> {
        let (head, body) = request.into_parts();
        let query = head.uri.query().unwrap_or_default().to_owned();
        let path: Vec<String> = head.uri.path().trim_matches('/').split('/').map(str::to_owned).collect();
        // The definitions of signers are not installed.
        if path.iter().any(|part| part == "signers") {
            return Ok(respond(failure(404, "NotFound")));
        }
        if query.contains("watch=true") {
            return Ok(self.watch(&path, &query));
        }
        let body = body.collect().await?.to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let target = target(&path);
        if target.as_ref().is_some_and(|(kind, _)| *kind == Kind::Leases) {
            return self.lease(&head.method, &body).await;
        }
        let is_write = target.is_some() && head.method != Method::GET;
        let trouble = {
            let mut state = self.lock();
            state.calls += u64::from(target.is_some());
            if let Some((kind, name)) = target.clone().filter(|_| head.method != Method::GET) {
                state.judge_sent(kind, &name, &body);
                state.writes.push(Write { sent: Instant::now(), kind, name: of(&name, &body), code: None });
            }
            match &target {
                Some((Kind::Secrets, _)) if is_write && state.is_poisoned => Some(Trouble::Panic),
                Some(_) => state.troubles.pop_front(),
                None => None,
            }
        };
        let number = self.lock().writes.len();
        sleep(Duration::from_millis(3)).await;
        match trouble {
            Some(Trouble::LateRequest(millis)) => sleep(Duration::from_millis(millis)).await,
            Some(Trouble::LostRequest) => {
                sleep(HANGS).await;
                return Err("the request got lost".into());
            }
            Some(Trouble::Busy) => return Ok(respond(failure(429, "TooManyRequests"))),
            Some(Trouble::Overloaded(seconds)) => {
                self.lock().reached.insert("an overload");
                return Ok(overloaded(seconds));
            }
            Some(Trouble::Broken) => return Ok(respond(failure(500, "InternalError"))),
            Some(Trouble::LateAnswer(_) | Trouble::LostAnswer | Trouble::Undone(_) | Trouble::Panic)
            | None => {}
        }
        let answer = match &target {
            None => (201, body),
            Some((kind, name)) => self.lock().answer(*kind, &head.method, name, &path, &head, &body),
        };
        if is_write {
            self.lock().writes[number - 1].code = Some(answer.0);
        }
        match trouble {
            Some(Trouble::LateAnswer(millis)) => sleep(Duration::from_millis(millis)).await,
            Some(Trouble::Undone(millis)) => {
                if let (Some((kind, name)), 200..300) = (&target, answer.0) {
                    self.lock().undo(*kind, &of(name, &answer.1));
                }
                sleep(Duration::from_millis(millis)).await;
            }
            Some(Trouble::LostAnswer) => {
                self.lock().reached.insert("a lost answer");
                sleep(HANGS).await;
                return Err("the answer got lost".into());
            }
            Some(Trouble::Panic) if is_write => {
                self.lock().reached.insert("a panic");
                // No message is printed for that, unlike for a real one.
                std::panic::resume_unwind(Box::new("planned"));
            }
            _ => {}
        }
        sleep(Duration::from_millis(3)).await;
        if matches!(target, Some((Kind::TokenReviews, _))) && answer.0 < 300 {
            self.lock().reviews.arrived(&answer.1);
        }
        Ok(respond(answer))
    }

    async fn lease(self, method: &Method, body: &Value) -> Result<Response<AnswerBody>, BoxError> {
        sleep(Duration::from_millis(3)).await;
        let is_out = self.lock().election.is_out();
        if is_out {
            sleep(HANGS).await;
            return Err("the API server cannot be reached".into());
        }
        let mut state = self.lock();
        if state.election.took_over() {
            state.reached.insert("a takeover");
            // Who does not lead keeps no sessions.
            expect_writes(&mut state);
        }
        let State { cluster, election, .. } = &mut *state;
        Ok(respond(election.answer(cluster, method, body)))
    }

    fn watch(&self, path: &[String], query: &str) -> Response<AnswerBody> {
        let kind =
            if path.iter().any(|part| part == "secrets") { Kind::Secrets } else { Kind::PresignedUrls };
        let is_managed = (kind == Kind::Secrets).then(|| !query.contains("managed%21%3D"));
        let version = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="));
        let since = version.filter(|_| !query.contains("sendInitialEvents=true"));
        let since = since.map_or(0, |version| version.parse().unwrap());
        let (events, shown) = mpsc::unbounded_channel::<(Instant, Value)>();
        let start = {
            let cluster = &mut self.lock().cluster;
            cluster.watch(Watcher { kind, is_managed, since, events });
            cluster.starts
        };
        let stream = unfold((shown, self.clone()), move |(mut shown, api)| async move {
            let (at, event) = shown.recv().await?;
            sleep_until(at).await;
            if api.lock().cluster.starts != start {
                return None;
            }
            if event["type"] == "DELETED" && event["object"]["kind"] == "PresignedUrl" {
                let uid = uid(&event["object"]).unwrap().to_owned();
                api.lock().shown_gone.insert(uid, Instant::now());
            }
            let line = format!("{event}\n");
            Some((Ok(Frame::data(Bytes::from(line))), (shown, api)))
        });
        Response::new(StreamBody::new(stream).boxed_unsync())
    }
}

pub fn found(object: Option<Value>) -> Answer {
    object.map_or_else(|| failure(404, "NotFound"), |object| (200, object))
}

pub fn failure(code: u16, reason: &str) -> Answer {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": reason,
    });
    (code, status)
}

/// As the API server's filters answer, which know no object.
fn overloaded(seconds: u64) -> Response<AnswerBody> {
    let body = http_body_util::Full::new(Bytes::from_static(b"Too many requests, please try again later."));
    let response = Response::builder().status(429).header("retry-after", seconds);
    response.body(body.boxed_unsync()).unwrap()
}

fn respond((code, body): Answer) -> Response<AnswerBody> {
    let body = http_body_util::Full::new(Bytes::from(body.to_string())).boxed_unsync();
    Response::builder().status(code).header("content-type", "application/json").body(body).unwrap()
}
