//! The pages of a port, and what each answers.
//!
//! | path | promise |
//! |---|---|
//! | `/livez` | 200 while the working loop beats, else 503: restarting the process helps |
//! | `/readyz` | 200 when every check has passed, else 503 and what is missing, one a line |
//! | `/metrics` | `OpenMetrics` text; 500 when it cannot be written, 503 when too many ask |
//!
//! GET and HEAD only. Where access is guarded, `/metrics` is 401 without a token that the API
//! server knows, 403 when its owner may not, and 503 when the API server cannot be asked.

use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Method, Response, StatusCode};

use crate::runtime::server::access::{Access, Refusal};
use crate::runtime::server::probes::Probes;
use crate::runtime::server::scrapes::{NoPage, Scrapes};

const METRICS: &str = "/metrics";
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

pub(super) type Answer = Response<Full<Bytes>>;

/// What a port shows; a path of which there is nothing is not found.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    /// Behind `/livez` and `/readyz`.
    pub probes: Option<Probes>,
    /// Behind `/metrics`.
    pub metrics: Option<Scrapes>,
    /// Who may read metrics; everyone when `None`.
    pub access: Option<Arc<Access>>,
}

impl Pages {
    pub(super) async fn answer(
        &self,
        peer: IpAddr,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Answer {
        let is_read = method == Method::GET || method == Method::HEAD;
        match (path, &self.probes, &self.metrics) {
            ("/livez" | "/readyz", Some(_), _) | (METRICS, _, Some(_)) if !is_read => refuse_method(),
            ("/livez", Some(probes), _) => livez(probes),
            ("/readyz", Some(probes), _) => readyz(probes),
            (METRICS, _, Some(metrics)) => self.metrics(peer, metrics, headers).await,
            _ => plain(StatusCode::NOT_FOUND, "not found"),
        }
    }

    async fn metrics(&self, peer: IpAddr, metrics: &Scrapes, headers: &HeaderMap) -> Answer {
        if let Some(access) = &self.access
            && let Err(refusal) = access.judge(peer, headers, METRICS).await
        {
            return refuse(refusal);
        }
        match metrics.page().await {
            Ok(text) => respond(StatusCode::OK, OPEN_METRICS, text),
            Err(NoPage::Broken) => plain(StatusCode::INTERNAL_SERVER_ERROR, "cannot write the metrics"),
            Err(NoPage::Busy) => plain(StatusCode::SERVICE_UNAVAILABLE, "too many scrapes at a time"),
        }
    }
}

fn livez(probes: &Probes) -> Answer {
    match probes.silence() {
        None => plain(StatusCode::OK, "ok"),
        Some(silence) => {
            let text = format!("the working loop has been silent for {} s", silence.as_secs());
            plain(StatusCode::SERVICE_UNAVAILABLE, &text)
        }
    }
}

fn readyz(probes: &Probes) -> Answer {
    let not_ready = probes.not_ready();
    if not_ready.is_empty() {
        return plain(StatusCode::OK, "ok");
    }
    plain(StatusCode::SERVICE_UNAVAILABLE, &not_ready.join("\n"))
}

fn refuse_method() -> Answer {
    let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
    refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    refusal
}

fn refuse(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Unauthenticated => {
            let text = "send the token of a ServiceAccount: Authorization: Bearer TOKEN";
            let mut answer = plain(StatusCode::UNAUTHORIZED, text);
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            answer
        }
        Refusal::Forbidden => plain(StatusCode::FORBIDDEN, "needs the right to get the path /metrics"),
        Refusal::Unavailable => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "the API server cannot be asked who may read metrics")
        }
    }
}

fn plain(status: StatusCode, text: &str) -> Answer {
    respond(status, TEXT, format!("{text}\n").into())
}

fn respond(status: StatusCode, content_type: HeaderValue, text: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
