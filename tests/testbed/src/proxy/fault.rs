//! Which requests something happens to, and what.

use std::time::Duration;

use hyper::{
    Response,
    body::Bytes,
    header::{HeaderValue, RETRY_AFTER},
};
use serde_json::{Value, json};

use super::{asked::Asked, events::WatchEvent};
use crate::serving::{self, Body};

/// Which requests a fault is for.
#[derive(Clone, Debug)]
#[must_use = "it is only a part of a fault or a hold"]
pub struct Match {
    /// Any of these; empty for all.
    methods: Vec<&'static str>,
    parts: Vec<String>,
    /// The plural of the resource itself, without a subresource.
    resource: Option<String>,
    name: Option<String>,
    spared: u64,
}

/// What writes an object: a create, which names it in its body alone, or a change.
const WRITES: [&str; 3] = ["POST", "PUT", "PATCH"];

impl Match {
    /// Requests with this method (`*` for any) whose path and query contain `path`.
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        let methods = if method == "*" { Vec::new() } else { vec![method] };
        Self { methods, parts: vec![path.into()], resource: None, name: None, spared: 0 }
    }

    /// Requests that create or change the object `name` of a resource, which is called by its
    /// plural. Neither those that write a subresource of it, nor its deletion.
    pub fn write(resource: impl Into<String>, name: impl Into<String>) -> Self {
        let (resource, name) = (Some(resource.into()), Some(name.into()));
        Self { methods: WRITES.to_vec(), parts: Vec::new(), resource, name, spared: 0 }
    }

    /// Only those about an object of this name: it is in the path or, for a create, in the
    /// body, if that is JSON.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only those whose path and query contain `part` too.
    pub fn and(mut self, part: impl Into<String>) -> Self {
        self.parts.push(part.into());
        self
    }

    /// Leaves the first `count` of them alone, counted from now on.
    pub fn after(mut self, count: u64) -> Self {
        self.spared = count;
        self
    }

    pub(super) fn is_met(&self, asked: &Asked<'_>) -> bool {
        let is_of = |resource: &String| {
            asked.target().is_some_and(|target| target.resource == resource && target.subresource.is_none())
        };
        (self.methods.is_empty() || self.methods.contains(&asked.method))
            && self.parts.iter().all(|part| asked.path.contains(part))
            && self.resource.as_ref().is_none_or(is_of)
            && self.name.as_ref().is_none_or(|name| asked.is_about(name))
    }

    /// Whether this one is among the first, which are left alone.
    pub(super) fn spares(&mut self) -> bool {
        let is_spared = self.spared > 0;
        self.spared -= u64::from(is_spared);
        is_spared
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection is closed without an answer; the API server never hears of it.
    Drop,
    /// Nothing is answered for so long, and then the connection is closed; the API server
    /// never hears of it.
    Hang(Duration),
    /// The request waits this long before it goes on.
    Delay(Duration),
    /// The answer waits until a watch that goes through this proxy has delivered an event, and
    /// a moment more for the client to take that in. An event counts from the request on.
    AnswerAfter(WatchEvent),
    /// The request waits until [`heal`](super::Proxy::heal).
    HangUntilHealed,
    /// The same, and it goes on even when its sender has gone away, as one in the buffer of a
    /// load balancer does.
    Buffer,
    /// A status is answered in place of the API server, with a reason and a message; with
    /// how many seconds to stay away, if not 0.
    Answer {
        /// HTTP status code.
        code: u16,
        /// The reason in the status, such as `Conflict`.
        reason: &'static str,
        /// Seconds for `Retry-After`.
        retry_after: u32,
    },
    /// What an API server says that is overloaded, before it looks at the request: 429 in plain
    /// text, and how many seconds to stay away in the header alone.
    Overloaded {
        /// Seconds for `Retry-After`.
        retry_after: u32,
    },
    /// What an API server says to `sendInitialEvents` when it cannot stream lists.
    NoStreamingLists,
    /// The answer begins, and the connection breaks after so many bytes of it.
    BreakOff(usize),
}

/// A status as the API server writes them.
pub(super) fn status(code: u16, reason: &str, retry_after: u32) -> Response<Body> {
    let mut answer = json_answer(
        code,
        &json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
            "message": format!("injected {reason}"), "details": {"retryAfterSeconds": retry_after},
        }),
    );
    if retry_after > 0 {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
    }
    answer
}

/// What an API server that cannot stream lists answers with.
pub(super) fn no_streaming_lists() -> Response<Body> {
    let message =
        "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
    let cause = json!({"reason": "FieldValueForbidden", "message": message, "field": "sendInitialEvents"});
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 422,
        "message": format!("ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: {message}"),
        "reason": "Invalid",
        "details": {"group": "meta.k8s.io", "kind": "ListOptions", "causes": [cause]},
    });
    json_answer(422, &status)
}

/// What an overloaded API server answers with, word for word.
pub(super) fn overloaded(retry_after: u32) -> Response<Body> {
    let said = "Too many requests, please try again later.\n";
    let mut answer = answer(429, "text/plain; charset=utf-8", said.into());
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
    answer
}

fn json_answer(code: u16, body: &Value) -> Response<Body> {
    answer(code, "application/json", body.to_string().into())
}

fn answer(code: u16, content_type: &'static str, body: Bytes) -> Response<Body> {
    serving::answer(code, content_type, body).map(serving::whole)
}

/// The event that ends a watch which comes too late.
pub(super) fn gone() -> Value {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version: 1 (2)", "reason": "Expired", "code": 410,
    });
    json!({"type": "ERROR", "object": status})
}
