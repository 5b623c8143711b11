//! The expected URL: what the signed URL must look like, computed before the SDK signs it.
//!
//! The SDK can change requests without an error (another addressing style, headers that are not signed,
//! parameters of its own). Its result is therefore compared with what was requested. Only the signature
//! itself is not checked here; the tests check it.

use url::Url;

use super::{PresignError, encode};
use crate::domain::request::{Addressing, Connection, Request, aws_host};
use crate::domain::{Credentials, Validity};

/// The longest URL that is signed, in bytes. The SDK panics if a URL is longer than 65534 bytes.
const MAX_BYTES: usize = 60_000;
/// An upper bound of the bytes that are unknown before signing: the host of AWS and the signature.
const UNKNOWN_BYTES: usize = 512;
/// Number of hexadecimal digits in a signature.
const SIGNATURE_DIGITS: usize = 64;

/// The parts of the signed URL that are known before it is signed.
pub(super) struct Expected {
    /// The encoded key with a leading slash, and before it the bucket if the style is path.
    path: String,
    /// The parameters of the request, encoded as `name=value`.
    parameters: Vec<String>,
    /// The parameters of the signature without the signature itself, encoded as `name=value`.
    signing: Vec<String>,
}

impl Expected {
    /// Computes the expected URL for a request.
    ///
    /// # Errors
    /// When the URL would be too long.
    pub(super) fn new(
        request: &Request,
        credentials: &Credentials,
        validity: Validity,
    ) -> Result<Self, PresignError> {
        let key = encode::path(&request.key);
        let path = match request.connection.addressing {
            Addressing::Path => format!("/{}/{key}", encode::component(&request.bucket)),
            Addressing::VirtualHosted | Addressing::BucketEndpoint => format!("/{key}"),
        };
        let pair = |(name, value): &(String, String)| {
            format!("{}={}", encode::component(name), encode::component(value))
        };
        let parameters = request.query.iter().map(pair).collect();
        let expected = Self { path, parameters, signing: signing(request, credentials, validity) };
        let bytes = expected.bytes(&request.connection);
        if bytes > MAX_BYTES { Err(PresignError::TooLong { bytes, limit: MAX_BYTES }) } else { Ok(expected) }
    }

    /// The query of the request: empty, or with a leading question mark.
    pub(super) fn query(&self) -> String {
        if self.parameters.is_empty() { String::new() } else { format!("?{}", self.parameters.join("&")) }
    }

    /// An upper bound of the length of the URL.
    fn bytes(&self, connection: &Connection) -> usize {
        let endpoint = connection.endpoint.as_ref().map_or(0, |endpoint| endpoint.to_string().len());
        let parameters = self.parameters.iter().chain(&self.signing);
        endpoint + self.path.len() + parameters.map(|pair| pair.len() + 1).sum::<usize>() + UNKNOWN_BYTES
    }

    /// Compares the URL that the SDK signed with the expected one.
    ///
    /// # Errors
    /// The error names the first part that differs.
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
            Addressing::Path | Addressing::BucketEndpoint => None,
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
            // This is the host that the limits of the operator were checked for.
            let Connection { region, aws, .. } = &request.connection;
            let expected = aws_host(&request.bucket, region, *aws);
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

/// The part of the host before that of the store: the bucket, or the name that AWS derives from the ARN
/// of an access point, `arn:aws:s3:region:account:accesspoint/name`.
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
