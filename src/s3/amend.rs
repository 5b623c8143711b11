//! What the SDK's own request for an operation lacks, added before it is signed.
//!
//! Not here: whether the result is what was asked for (`expected` compares).

use aws_sdk_s3::config::http::HttpRequest;

use super::encode;
use crate::domain::Request;

/// The key that the SDK is told when the real one is nothing but white space: S3 takes such
/// keys, the SDK calls them missing.
const STAND_IN: &str = "blank";

/// The request cannot carry what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("a header or a query parameter cannot stand in an HTTP request")]
pub(super) struct NotHttp;

/// Headers, query and, where the SDK does not take it, key of a request.
pub(super) struct Amendment {
    headers: Vec<(String, String)>,
    /// Empty, or beginning with a question mark.
    query: String,
    /// The encoded key for which [`STAND_IN`] stands.
    blank_key: Option<String>,
}

impl Amendment {
    /// `query` is encoded; empty, or beginning with a question mark.
    pub(super) fn new(request: &Request, query: String) -> Self {
        let is_blank = request.key.trim().is_empty();
        let blank_key = is_blank.then(|| encode::path(&request.key));
        Self { headers: request.headers.clone(), query, blank_key }
    }

    /// The key to tell the SDK.
    pub(super) fn key<'a>(&self, request: &'a Request) -> &'a str {
        if self.blank_key.is_some() { STAND_IN } else { &request.key }
    }

    /// Amends a request. Its query replaces that of the SDK: `x-id`, which no other client
    /// signs and some stores refuse.
    ///
    /// # Errors
    /// When it would be no HTTP request.
    pub(super) fn apply(&self, mut http: HttpRequest) -> Result<HttpRequest, NotHttp> {
        let uri = http.uri();
        let address = uri.split_once('?').map_or(uri, |(address, _)| address);
        let uri = match &self.blank_key {
            Some(key) => format!("{}{key}{}", address.strip_suffix(STAND_IN).ok_or(NotHttp)?, self.query),
            None => format!("{address}{}", self.query),
        };
        http.set_uri(uri).map_err(|_| NotHttp)?;
        for (name, value) in &self.headers {
            http.headers_mut().try_insert(name.to_ascii_lowercase(), value.clone()).map_err(|_| NotHttp)?;
        }
        Ok(http)
    }
}
