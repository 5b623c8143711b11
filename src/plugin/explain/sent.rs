//! The request that is really sent, and the parts of it that a store signs. Pure.

use super::super::reading::{SignatureScope, scope, signed_headers};
use super::super::url_text::{NotPresigned, UrlText, decode, decode_form};
use super::canonical::SignedParts;
use crate::domain::{Credentials, Sensitive};
use crate::s3::encode;

/// What stands for the hash of the body in a presigned request.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// A request as a client sends it.
pub(super) struct SentRequest {
    pub(super) url: UrlText,
    pub(super) method: String,
    pub(super) headers: Vec<(String, String)>,
}

/// What may be known about the request that was signed.
#[derive(Clone, Default)]
pub(super) struct KnownSigned {
    /// Hosts that the URL may have been signed for.
    pub(super) hosts: Vec<String>,
    /// Headers with the values that were signed.
    pub(super) headers: Vec<(String, String)>,
}

impl SentRequest {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The host that the store sees: that of the header Host, or else that of the URL as HTTP clients send
    /// it, without the default port of the scheme.
    pub(super) fn host(&self) -> String {
        self.header("host").map_or_else(|| without_default_port(&self.url), |host| host.trim().to_owned())
    }

    /// The scope that the URL names.
    pub(super) fn scope(&self) -> Result<SignatureScope, NotPresigned> {
        scope(&self.url)
    }

    /// The names of the signed headers besides Host.
    pub(super) fn signed(&self) -> Vec<String> {
        signed_headers(&self.url).into_iter().filter(|name| name != "host").collect()
    }

    /// The parts that a store signs when it gets this request and knows this access key.
    pub(super) fn parts(&self, credentials: &Credentials) -> Result<SignedParts, NotPresigned> {
        let signed = self.signed().into_iter();
        let value = |name: &str| self.header(name).map(collapsed).unwrap_or_default();
        let pairs = self.url.parameters.iter().filter(|(name, _)| name != "X-Amz-Signature");
        Ok(SignedParts {
            method: self.method.clone(),
            path: encode::path(&decode(&self.url.path)),
            query: pairs
                .map(|(name, value)| (decode_form(name), Sensitive::new(decode_form(value.expose()))))
                .collect(),
            headers: signed.map(|name| (name.clone(), value(&name))).collect(),
            host: self.host(),
            payload: self.header("x-amz-content-sha256").unwrap_or(UNSIGNED).to_owned(),
            date: self.url.parameter("X-Amz-Date").unwrap_or_default(),
            scope: self.scope()?.text(),
            secret: credentials.secret_access_key.clone(),
        })
    }
}

/// The default port of a scheme.
pub(super) fn default_port(scheme: &str) -> &'static str {
    if scheme == "http" { ":80" } else { ":443" }
}

fn without_default_port(url: &UrlText) -> String {
    let authority = url.authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    authority.strip_suffix(default_port(&url.scheme)).unwrap_or(&authority).to_owned()
}

/// A value of a header as a signature contains it: without spaces around it, and with single ones in it.
pub(super) fn collapsed(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}
