//! The HTTP client of one call. It refuses internal addresses in URLs, bounds the answer, and notes when
//! and with which status the server answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_sts::config::http::{HttpRequest, HttpResponse};
use aws_sdk_sts::config::{HttpClient, RuntimeComponents};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::runtime::client::{Reach, http_date};

/// The longest answer that is read, in bytes. Those of AWS have about two thousand.
const MAX_RESPONSE: usize = 64 * 1024;

#[derive(Clone, Debug)]
pub(super) struct CallClient {
    connector: SharedHttpConnector,
    /// Which addresses a URL may contain.
    reach: Reach,
    note: Note,
}

/// What is known of the answers to one call. Of several requests, the last counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Note(Arc<Mutex<Noted>>);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noted {
    /// Whether a request was sent, or was about to be.
    pub(super) is_sent: bool,
    /// The head of the answer.
    pub(super) head: Option<Head>,
}

/// The head of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// The status code.
    pub(super) status: u16,
    /// The header `Date`.
    pub(super) date: Option<Timestamp>,
    /// When it arrived.
    pub(super) at: Instant,
}

impl CallClient {
    /// A client over a connector. URLs may contain the addresses in `reach`.
    pub(super) fn new(connector: SharedHttpConnector, reach: Reach) -> Self {
        Self { connector, reach, note: Note::default() }
    }

    /// What the server answered up to now.
    pub(super) fn noted(&self) -> Noted {
        *self.note.lock()
    }
}

impl Note {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, response: &HttpResponse) {
        let date = response.headers().get("date").and_then(http_date);
        let head = Head { status: response.status().as_u16(), date, at: Instant::now() };
        self.lock().head = Some(head);
    }
}

impl HttpClient for CallClient {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for CallClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        *self.note.lock() = Noted { is_sent: true, head: None };
        if let Err(refused) = self.reach.check_url(request.uri()) {
            return HttpConnectorFuture::ready(Err(ConnectorError::user(refused.into())));
        }
        let (answer, note) = (self.connector.call(request), self.note.clone());
        HttpConnectorFuture::new(async move {
            let response = answer.await?;
            note.answered(&response);
            Ok(response.map(|body| SdkBody::from_body_1_x(Limited::new(body, MAX_RESPONSE))))
        })
    }
}
