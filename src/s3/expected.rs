//! What the signed URL must look like, known before the SDK is asked.
//!
//! The SDK changes requests without a word (another addressing style, headers left unsigned,
//! parameters of its own), so what it returns is compared with what was asked for. Only the
//! signature itself is taken on trust here; the tests check it.

use url::Url;

use super::{PresignError, encode};
use crate::domain::request::{Addressing, Connection, Request, aws_host};
use crate::domain::{Credentials, Validity};

/// Longest URL that is signed, in bytes. The SDK panics beyond 65534.
const MAX_BYTES: usize = 60_000;
/// Generous length of what is unknown before signing: the host of AWS and the signature.
const UNKNOWN_BYTES: usize = 512;
/// Number of hexadecimal digits in a signature.
const SIGNATURE_DIGITS: usize = 64;

/// The parts of the signed URL that are known before it is signed.
pub(super) struct Expected {
    /// The key, encoded, with the slash before it and, with path style, the bucket.
    path: String,
    /// The request's own parameters, encoded: `name=value`.
    parameters: Vec<String>,
    /// The parameters of the signature but the signature itself, encoded: `name=value`.
    signing: Vec<String>,
}

impl Expected {
    /// Works out the URL for a request.
    ///
    /// # Errors
    /// When it would be too long.
    pub(super) fn new(
        request: &Request,
        credentials: &Credentials,
        validity: Validity,
    ) -> Result<Self, PresignError> {
        let key = encode::path(&request.key);
        let path = match request.connection.addressing {
            Addressing::Path => format!("/{}/{key}", encode::component(&request.bucket)),
            Addressing::VirtualHosted => format!("/{key}"),
        };
        let pair = |(name, value): &(String, String)| {
            format!("{}={}", encode::component(name), encode::component(value))
        };
        let parameters = request.query.iter().map(pair).collect();
        let expected = Self { path, parameters, signing: signing(request, credentials, validity) };
        let bytes = expected.bytes(&request.connection);
        if bytes > MAX_BYTES { Err(PresignError::TooLong { bytes, limit: MAX_BYTES }) } else { Ok(expected) }
    }

    /// The request's own query; empty, or beginning with a question mark.
    pub(super) fn query(&self) -> String {
        if self.parameters.is_empty() { String::new() } else { format!("?{}", self.parameters.join("&")) }
    }

    /// An upper bound of the URL's length.
    fn bytes(&self, connection: &Connection) -> usize {
        let endpoint = connection.endpoint.as_ref().map_or(0, |endpoint| endpoint.to_string().len());
        let parameters = self.parameters.iter().chain(&self.signing);
        endpoint + self.path.len() + parameters.map(|pair| pair.len() + 1).sum::<usize>() + UNKNOWN_BYTES
    }

    /// Compares what the SDK signed with what was asked for.
    ///
    /// # Errors
    /// Names the first part that differs.
    pub(super) fn check(&self, request: &Request, url: &str) -> Result<(), PresignError> {
        let differs = |part: &str| Err(PresignError::Differs { part: part.to_owned() });
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        if !self.is_address(request, address) {
            return differs("address");
        }
        if Url::parse(address).map(String::from).as_deref() != Ok(address) {
            return Err(PresignError::Rewritten);
        }
        let mut missing: Vec<&str> =
            self.parameters.iter().chain(&self.signing).map(String::as_str).collect();
        let mut is_signed = false;
        for pair in query.split('&') {
            if let Some(at) = missing.iter().position(|expected| *expected == pair) {
                missing.swap_remove(at);
            } else if !is_signed && is_signature(pair) {
                is_signed = true;
            } else {
                return differs(name_of(pair));
            }
        }
        match missing.first() {
            Some(pair) => differs(name_of(pair)),
            None if is_signed => Ok(()),
            None => differs("X-Amz-Signature"),
        }
    }

    fn is_address(&self, request: &Request, address: &str) -> bool {
        let Some((scheme, rest)) = address.split_once("://") else { return false };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let bucket = match request.connection.addressing {
            Addressing::Path => None,
            Addressing::VirtualHosted => Some(bucket_in_host(&request.bucket)),
        };
        let host = match bucket {
            None => host,
            Some(bucket) => match host.strip_prefix(&bucket).and_then(|rest| rest.strip_prefix('.')) {
                Some(host) => host,
                None => return false,
            },
        };
        let Some(endpoint) = &request.connection.endpoint else {
            // The host that the limits of the operator were asked about.
            let expected = aws_host(&request.bucket, &request.connection.region);
            return scheme == "https" && host == expected && path == self.path;
        };
        let port = endpoint.port.map(|port| format!(":{port}")).unwrap_or_default();
        scheme == endpoint.scheme.to_string()
            && host == format!("{}{port}", endpoint.host)
            && path.strip_prefix(&endpoint.path) == Some(&self.path)
    }
}

fn signing(request: &Request, credentials: &Credentials, validity: Validity) -> Vec<String> {
    let time = validity.signing_time.strftime("%Y%m%dT%H%M%SZ").to_string();
    let (date, region) = (time.split('T').next().unwrap_or_default(), &request.connection.region);
    let credential = format!("{}/{date}/{region}/s3/aws4_request", credentials.access_key_id.expose());
    let mut headers: Vec<String> =
        request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    headers.push("host".to_owned());
    headers.sort();
    let mut parameters = vec![
        "X-Amz-Algorithm=AWS4-HMAC-SHA256".to_owned(),
        format!("X-Amz-Credential={}", encode::component(&credential)),
        format!("X-Amz-Date={time}"),
        format!("X-Amz-Expires={}", validity.lifetime),
        format!("X-Amz-SignedHeaders={}", encode::component(&headers.join(";"))),
    ];
    parameters.extend(
        credentials
            .session_token
            .as_ref()
            .map(|token| format!("X-Amz-Security-Token={}", encode::component(token.expose()))),
    );
    parameters
}

/// What stands before the store's host: the bucket, or what AWS makes of the ARN of an
/// access point, `arn:aws:s3:region:account:accesspoint/name`.
fn bucket_in_host(bucket: &str) -> String {
    match bucket.split([':', '/']).collect::<Vec<_>>()[..] {
        ["arn", _, _, _, account, _, name] => format!("{name}-{account}"),
        _ => bucket.to_owned(),
    }
}

fn is_signature(pair: &str) -> bool {
    pair.strip_prefix("X-Amz-Signature=").is_some_and(|digits| {
        digits.len() == SIGNATURE_DIGITS
            && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}
