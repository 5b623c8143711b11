//! Amends the request of the SDK for an operation before it is signed.
//!
//! Not here: whether the result is what was requested (`expected` checks that).

use aws_sdk_s3::config::http::HttpRequest;

use super::encode;
use crate::domain::Request;

/// The key that the SDK gets if the real one is only white space. S3 accepts such keys, but the SDK
/// refuses them as missing.
const STAND_IN: &str = "blank";

/// The request cannot be expressed in HTTP.
#[derive(Debug, thiserror::Error)]
#[error("a header or a query parameter is not valid in an HTTP request")]
pub(super) struct NotHttp;

/// The headers and the query of a request, and its key if the SDK does not accept that.
pub(super) struct Amendment {
    headers: Vec<(String, String)>,
    /// The encoded query: empty, or with a leading question mark.
    query: String,
    /// The encoded key that replaces [`STAND_IN`].
    blank_key: Option<String>,
}

impl Amendment {
    /// The amendment for a request. `query` is encoded: empty, or with a leading question mark.
    pub(super) fn new(request: &Request, query: String) -> Self {
        let is_blank = request.key.trim().is_empty();
        let blank_key = is_blank.then(|| encode::path(&request.key));
        Self { headers: request.headers.clone(), query, blank_key }
    }

    /// The key to pass to the SDK.
    pub(super) fn key<'a>(&self, request: &'a Request) -> &'a str {
        if self.blank_key.is_some() { STAND_IN } else { &request.key }
    }

    /// Amends a request. Its query replaces that of the SDK, which is `x-id`: no other client signs it,
    /// and some stores refuse it.
    ///
    /// # Errors
    /// When the result would not be an HTTP request.
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
