//! The model API server as the operator's client reaches it: requests, their troubles on the way,
//! and answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::unfold;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use hyper::{Method, Request, Response};
use k8s_openapi::api::core::v1::Secret;
use kube::client::Body;
use presign_operator::runtime::{ApiCalls, Terms, client_over};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tower::{BoxError, service_fn};

use crate::cluster::{Cluster, Kind, Name, Watcher, epoch, named, uid};
use crate::lease::Election;
use crate::server::{OUR_UPDATE, Server, US};

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

/// A call that changes something, as it was sent.
#[derive(Clone, Debug)]
pub struct Write {
    pub sent: Instant,
    pub kind: Kind,
    pub name: Name,
    pub code: Option<u16>,
}

/// The API server, and what is known of the calls to it.
#[derive(Default)]
pub struct State {
    pub cluster: Cluster,
    pub election: Election,
    pub troubles: VecDeque<Trouble>,
    /// Whether each reconcile panics that has written a Secret.
    pub is_poisoned: bool,
    /// Calls but watches and those about the Lease.
    pub calls: u64,
    pub writes: Vec<Write>,
    /// When the operator was shown that the `PresignedUrl` of this UID is gone.
    pub shown_gone: BTreeMap<String, Instant>,
    /// What people asked for, of which object.
    pub inputs: Vec<(Name, Instant)>,
    /// What happened that is rare.
    pub reached: BTreeSet<&'static str>,
    /// What must never happen.
    pub wrongs: Vec<String>,
}

/// Shared by the operator's calls and by those who do something to the cluster.
#[derive(Clone, Default)]
pub struct Api(Arc<Mutex<State>>);

pub type Answer = (u16, Value);

type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

impl Api {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The operator's client, reaching this API server.
    pub fn client(&self, terms: Terms) -> kube::Client {
        let api = self.clone();
        let service =
            service_fn(move |request| -> BoxFuture<'static, _> { Box::pin(api.clone().call(request)) });
        client_over(service, ApiCalls::default(), terms)
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
                state.judge_sent(&name, &body);
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
        let State { cluster, election, reached, .. } = &mut *state;
        if election.took_over() {
            reached.insert("a takeover");
        }
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

impl State {
    /// Nothing is sent for an object of which the operator knows that it is gone.
    fn judge_sent(&mut self, name: &Name, body: &Value) {
        let owner = &body["metadata"]["ownerReferences"][0]["uid"];
        let owner = if body["kind"] == "PresignedUrl" { &body["metadata"]["uid"] } else { owner };
        let shown = owner.as_str().and_then(|owner| self.shown_gone.get(owner));
        if shown.is_some_and(|shown| shown.elapsed() > Duration::from_secs(1)) {
            self.wrongs.push(format!("written for an object that is gone: {name:?}"));
        }
        if self.election.another_leads() {
            self.wrongs.push(format!("written while another leads: {name:?}"));
        }
    }

    /// Deletes an object of the operator's.
    fn undo(&mut self, kind: Kind, name: &Name) {
        match kind {
            Kind::PresignedUrls => self.cluster.delete_url(name),
            Kind::Secrets if name.1 != "keys" => self.cluster.write_secret(name, Server::delete),
            Kind::Secrets | Kind::Leases => {}
        }
    }

    fn answer(
        &mut self,
        kind: Kind,
        method: &Method,
        name: &Name,
        path: &[String],
        head: &hyper::http::request::Parts,
        body: &Value,
    ) -> Answer {
        let content = head.headers.get("content-type").map_or("", |value| value.to_str().unwrap());
        match kind {
            Kind::PresignedUrls if *method == Method::GET => {
                found(self.cluster.stored.urls.get(name).cloned())
            }
            Kind::PresignedUrls => self.write_status(name, path, body),
            Kind::Leases => unreachable!("answered by the election"),
            Kind::Secrets if *method == Method::GET => found(self.cluster.secret(name)),
            Kind::Secrets => self.write_secret(method, &of(name, body), content, body),
        }
    }

    fn write_status(&mut self, name: &Name, path: &[String], body: &Value) -> Answer {
        if path.last().is_none_or(|last| last != "status") {
            self.wrongs.push(format!("a PresignedUrl is written, not its status: {name:?}"));
        }
        let Some(there) = self.cluster.stored.urls.get(name).cloned() else {
            return failure(404, "NotFound");
        };
        let (wanted, has) = (&body["metadata"], &there["metadata"]);
        for (part, code) in [("resourceVersion", 409), ("uid", 409)] {
            if !wanted[part].is_null() && wanted[part] != has[part] {
                return failure(code, "Conflict");
            }
        }
        self.cluster.edit_url(name, |object| object["status"] = body["status"].clone());
        found(self.cluster.stored.urls.get(name).cloned())
    }

    fn write_secret(&mut self, method: &Method, name: &Name, content: &str, body: &Value) -> Answer {
        let before = self.cluster.secret(name);
        let answer = self.cluster.write_secret(name, |server| {
            let parsed = || serde_json::from_value::<Secret>(body.clone()).unwrap();
            match (method, content) {
                (&Method::POST, _) => server.create(OUR_UPDATE, &parsed(), epoch()),
                (&Method::DELETE, _) => {
                    let wanted = |part: &str| body["preconditions"][part].as_str();
                    let there = server.get();
                    let deleted = server.delete_only(wanted("uid"), wanted("resourceVersion"));
                    deleted.map(|()| there.unwrap())
                }
                (_, "application/apply-patch+yaml") => server.apply(US, &parsed(), epoch()),
                _ => server.patch(OUR_UPDATE, body, epoch()),
            }
        });
        let is_foreign = |object: &Value| self.cluster.stored.foreign.contains(uid(object).unwrap());
        if before.as_ref().is_some_and(is_foreign) && before != self.cluster.secret(name) {
            self.wrongs.push(format!("a foreign Secret was changed: {name:?}"));
        }
        match answer {
            Ok(secret) => (if method == Method::POST { 201 } else { 200 }, named(&secret, name)),
            Err(404) => failure(404, "NotFound"),
            Err(409) if method == Method::POST => failure(409, "AlreadyExists"),
            Err(422) => {
                let mut failure = failure(422, "Invalid");
                failure.1["details"] = json!({"causes": [{"field": "metadata.uid", "reason": "FieldValueInvalid", "message": "immutable"}]});
                failure
            }
            Err(code) => failure(code, "Conflict"),
        }
    }
}

/// The object that a request is about; a create names it in its body.
fn target(path: &[String]) -> Option<(Kind, Name)> {
    let namespace = path.iter().position(|part| part == "namespaces")?;
    let kind = match path.get(namespace + 2)?.as_str() {
        "secrets" => Kind::Secrets,
        "presignedurls" => Kind::PresignedUrls,
        "leases" => Kind::Leases,
        _ => return None,
    };
    Some((kind, (path[namespace + 1].clone(), path.get(namespace + 3).cloned().unwrap_or_default())))
}

fn of(name: &Name, body: &Value) -> Name {
    let in_body = || body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    (name.0.clone(), if name.1.is_empty() { in_body() } else { name.1.clone() })
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
