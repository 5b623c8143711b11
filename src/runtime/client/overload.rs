//! Reads the answers of an overloaded API server: which calls they concern, and how long to wait.
//!
//! The callers decide what waits. Nothing is delayed here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER};
use hyper::http::response::Parts;
use hyper::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::runtime::client::skew::http_date;
use crate::runtime::clock::Clock;

/// The shortest and the longest pause after an answer of an overloaded API server.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The API server refused a call because it has too many requests. The refusal is not caused by the
/// object of the call.
#[derive(Debug, thiserror::Error)]
#[error("the API server has too many requests and asks for a pause of {} s", pause.as_secs())]
pub struct Overloaded {
    /// How long to send nothing: 1 s if the API server gives no time, and at most 60 s.
    pub pause: Duration,
}

impl Overloaded {
    /// The refusal inside the error of a call; `None` if it is another error.
    #[must_use]
    pub fn of(error: &kube::Error) -> Option<&Self> {
        match error {
            kube::Error::Service(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

/// Called when the API server is overloaded, with the pause that it asks for.
#[derive(Clone)]
pub struct Overload(Arc<dyn Fn(Duration) + Send + Sync>);

impl Overload {
    /// Calls `pause` for each answer of an overloaded API server. `pause` must not block.
    pub fn new(pause: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(pause))
    }

    pub(super) fn notify(&self, overloaded: &Overloaded) {
        (self.0)(overloaded.pause);
    }
}

impl Default for Overload {
    /// Does nothing.
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Overload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Overload")
    }
}

/// Returns the body of an answer, and adds the header `Retry-After` to it, where kube reads it.
///
/// # Errors
/// [`Overloaded`] for a 429 whose body is no `Status`. The filters of the API server answer in plain
/// text before they look at the object of the request. A `Status` concerns the request itself.
pub(super) fn read(head: &mut Parts, body: Bytes, clock: &Clock) -> Result<Bytes, Overloaded> {
    let is_429 = head.status == StatusCode::TOO_MANY_REQUESTS;
    if !is_429 && head.status != StatusCode::SERVICE_UNAVAILABLE {
        return Ok(body);
    }
    let after = retry_after(&head.headers, || clock.now());
    let status = serde_json::from_slice(&body).ok().filter(|status: &Value| status["kind"] == "Status");
    if status.is_none() && is_429 {
        let (least, most) = PAUSE;
        return Err(Overloaded { pause: after.unwrap_or(least).clamp(least, most) });
    }
    let Some(after) = after else { return Ok(body) };
    let mut status = status.unwrap_or_else(|| plain_status(head.status, &body));
    if status["details"]["retryAfterSeconds"].as_u64().is_none_or(|seconds| seconds == 0) {
        status["details"]["retryAfterSeconds"] = u32::try_from(after.as_secs()).unwrap_or(u32::MAX).into();
    }
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(status.to_string().into())
}

/// The `Status` that kube makes from an answer whose body is none.
fn plain_status(code: StatusCode, body: &[u8]) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "reason": "ServiceUnavailable",
        "message": String::from_utf8_lossy(body).trim(),
        "code": code.as_u16(),
    })
}

/// Parses `Retry-After`: seconds, or a time by the clock of the API server.
fn retry_after(headers: &HeaderMap, now: impl FnOnce() -> Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = http_date(text)?;
    let now = headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?)).unwrap_or_else(now);
    Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use hyper::Response;

    use super::*;

    const TEXT: &str = "Too many requests, please try again later.\n";
    const STATUS: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":429}"#;

    fn answer(code: u16, headers: &[(&'static str, &str)], body: &'static str) -> Result<String, u64> {
        let mut response = Response::builder().status(code);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let (mut head, ()) = response.body(()).unwrap().into_parts();
        let read = read(&mut head, Bytes::from_static(body.as_bytes()), &Clock::system());
        read.map(|body| String::from_utf8(body.to_vec()).unwrap()).map_err(|error| error.pause.as_secs())
    }

    /// The seconds that kube reads from the answer.
    fn seconds(code: u16, headers: &[(&'static str, &str)], body: &'static str) -> Option<u32> {
        let text = answer(code, headers, body).unwrap();
        let status: kube::core::Status = serde_json::from_str(&text).unwrap();
        status.details.map(|details| details.retry_after_seconds)
    }

    #[test]
    fn a_429_in_plain_text_means_that_the_whole_server_is_busy() {
        let date = ("date", "Thu, 26 Nov 2026 05:00:00 GMT");
        for (headers, pause) in [
            (&[][..], 1),
            (&[("retry-after", "7")], 7),
            (&[("retry-after", "0")], 1),
            (&[("retry-after", "3600")], 60),
            (&[("retry-after", "soon")], 1),
            (&[("retry-after", "-3")], 1),
            (&[date, ("retry-after", "Thu, 26 Nov 2026 05:00:12 GMT")], 12),
            (&[date, ("retry-after", "Thu, 26 Nov 2026 04:00:00 GMT")], 1),
            (&[("retry-after", "Fri, 01 Jan 2100 00:00:00 GMT")], 60),
        ] {
            for body in [TEXT, "", "{}", r#"{"kind":"Secret"}"#] {
                assert_eq!(answer(429, headers, body), Err(pause), "{headers:?} {body}");
            }
        }
    }

    #[test]
    fn a_status_gets_the_header_that_it_lacks() {
        let header = ("retry-after", "7");
        let with_details = r#"{"kind":"Status","code":429,"details":{"retryAfterSeconds":3,"name":"a"}}"#;
        assert_eq!(seconds(429, &[header], STATUS), Some(7));
        assert_eq!(seconds(503, &[header], STATUS), Some(7));
        assert_eq!(seconds(503, &[header], with_details), Some(3));
        assert_eq!(seconds(429, &[], with_details), Some(3));
        assert_eq!(seconds(429, &[], STATUS), None);
    }

    #[test]
    fn a_503_in_plain_text_keeps_its_words() {
        let text = answer(503, &[("retry-after", "7")], "no backend\n").unwrap();
        let status: kube::core::Status = serde_json::from_str(&text).unwrap();
        assert_eq!((status.code, status.message.as_str()), (503, "no backend"));
        assert_eq!(status.details.unwrap().retry_after_seconds, 7);
        assert_eq!(answer(503, &[], "no backend\n").as_deref(), Ok("no backend\n"));
    }

    #[test]
    fn other_answers_are_left_as_they_are() {
        for code in [200, 409, 500, 504] {
            assert_eq!(answer(code, &[("retry-after", "7")], STATUS).as_deref(), Ok(STATUS), "{code}");
        }
    }
}
