//! The pages of a port, and the answers of each page.
//!
//! | path | promise |
//! |---|---|
//! | `/livez` | 200 while the working loop beats, else 503: a restart of the process helps |
//! | `/readyz` | 200 when every check has passed, else 503 and the missing checks, one per line |
//! | `/metrics` | `OpenMetrics` text; 500 when it cannot be written, 503 when too many ask |
//!
//! Only GET and HEAD are permitted. With access control, `/metrics` answers 401 without a token that the
//! API server knows, 403 when the user of the token has no permission, and 503 when the API server cannot
//! be asked.

use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Method, Response, StatusCode};

use crate::runtime::server::access::Access;
use crate::runtime::server::probes::Probes;
use crate::runtime::server::reviews::Refusal;
use crate::runtime::server::scrapes::{NoPage, Scrapes};

const METRICS: &str = "/metrics";
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

pub(super) type PageAnswer = Response<Full<Bytes>>;

/// The pages of a port. The path of a page that is `None` is not found.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    /// The probes of `/livez` and `/readyz`.
    pub probes: Option<Probes>,
    /// The metrics of `/metrics`.
    pub metrics: Option<Scrapes>,
    /// The access control of `/metrics`; every client may read it when `None`.
    pub access: Option<Arc<Access>>,
}

impl Pages {
    pub(super) async fn answer(
        &self,
        peer: IpAddr,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> PageAnswer {
        let is_read = method == Method::GET || method == Method::HEAD;
        match (path, &self.probes, &self.metrics) {
            ("/livez" | "/readyz", Some(_), _) | (METRICS, _, Some(_)) if !is_read => refuse_method(),
            ("/livez", Some(probes), _) => livez(probes),
            ("/readyz", Some(probes), _) => readyz(probes),
            (METRICS, _, Some(metrics)) => self.metrics(peer, metrics, headers).await,
            _ => plain(StatusCode::NOT_FOUND, "not found"),
        }
    }

    async fn metrics(&self, peer: IpAddr, metrics: &Scrapes, headers: &HeaderMap) -> PageAnswer {
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

fn livez(probes: &Probes) -> PageAnswer {
    match probes.silence() {
        None => plain(StatusCode::OK, "ok"),
        Some(silence) => {
            let text = format!("the main loop has not run for {} s", silence.as_secs());
            plain(StatusCode::SERVICE_UNAVAILABLE, &text)
        }
    }
}

fn readyz(probes: &Probes) -> PageAnswer {
    let not_ready = probes.not_ready();
    if not_ready.is_empty() {
        return plain(StatusCode::OK, "ok");
    }
    plain(StatusCode::SERVICE_UNAVAILABLE, &not_ready.join("\n"))
}

fn refuse_method() -> PageAnswer {
    let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
    refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    refusal
}

fn refuse(refusal: Refusal) -> PageAnswer {
    match refusal {
        Refusal::Unauthenticated => {
            let text = "send the token of a ServiceAccount: Authorization: Bearer TOKEN";
            let mut answer = plain(StatusCode::UNAUTHORIZED, text);
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            answer
        }
        Refusal::Forbidden => {
            plain(StatusCode::FORBIDDEN, "the token needs the permission to get the path /metrics")
        }
        Refusal::Unavailable => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "cannot check with the API server who may read metrics")
        }
    }
}

fn plain(status: StatusCode, text: &str) -> PageAnswer {
    respond(status, TEXT, format!("{text}\n").into())
}

fn respond(status: StatusCode, content_type: HeaderValue, text: Bytes) -> PageAnswer {
    let mut answer = Response::new(Full::new(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
