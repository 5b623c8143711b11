//! Amends the request of the SDK for an operation before it is signed.
//!
//! Not here: whether the result is what was requested (`expected` checks that).

use aws_sdk_s3::config::http::HttpRequest;

use super::encode;
use crate::domain::Request;
use crate::domain::request::Addressing;

/// What the SDK gets for a key of white space only, which S3 accepts but the SDK refuses as missing, and
/// for the bucket of a bucket endpoint, which the SDK would put into the path.
const STAND_IN: &str = "blank";

/// The request cannot be expressed in HTTP.
#[derive(Debug, thiserror::Error)]
#[error("a header, a query parameter or the address is not valid in an HTTP request")]
pub(super) struct NotHttp;

/// The headers and the query of a request, and its key if the SDK does not accept that.
pub(super) struct Amendment {
    headers: Vec<(String, String)>,
    /// The encoded query: empty, or with a leading question mark.
    query: String,
    /// The encoded key that replaces [`STAND_IN`].
    blank_key: Option<String>,
    /// The address of a bucket endpoint, after which the SDK puts [`STAND_IN`] for the bucket.
    bucket_endpoint: Option<String>,
}

impl Amendment {
    /// The amendment for a request. `query` is encoded: empty, or with a leading question mark.
    pub(super) fn new(request: &Request, query: String) -> Self {
        let is_blank = request.key.trim().is_empty();
        let blank_key = is_blank.then(|| encode::path(&request.key));
        let is_bucket = request.connection.addressing == Addressing::BucketEndpoint;
        let endpoint = request.connection.endpoint.as_ref().filter(|_| is_bucket);
        let bucket_endpoint = endpoint.map(ToString::to_string);
        Self { headers: request.headers.clone(), query, blank_key, bucket_endpoint }
    }

    /// The bucket to pass to the SDK.
    pub(super) fn bucket<'a>(&self, request: &'a Request) -> &'a str {
        if self.bucket_endpoint.is_some() { STAND_IN } else { &request.bucket }
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
        let (endpoint, rest) = match &self.bucket_endpoint {
            Some(endpoint) => {
                let rest = address.strip_prefix(endpoint).and_then(|rest| rest.strip_prefix('/'));
                (endpoint.as_str(), rest.and_then(|rest| rest.strip_prefix(STAND_IN)).ok_or(NotHttp)?)
            }
            None => ("", address),
        };
        let (rest, key) = match &self.blank_key {
            Some(key) => (rest.strip_suffix(STAND_IN).ok_or(NotHttp)?, key.as_str()),
            None => (rest, ""),
        };
        let uri = format!("{endpoint}{rest}{key}{}", self.query);
        http.set_uri(uri).map_err(|_| NotHttp)?;
        for (name, value) in &self.headers {
            http.headers_mut().try_insert(name.to_ascii_lowercase(), value.clone()).map_err(|_| NotHttp)?;
        }
        Ok(http)
    }
}
