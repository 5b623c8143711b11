//! The address of a store, normalised, and how a bucket stands in it.

use std::fmt;
use std::net::Ipv4Addr;

use super::InvalidSpec;
use crate::crd::rules::{self, Rule};

/// URL scheme of an endpoint.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// Address of an S3-compatible store: host in lower case, default port dropped, no
/// trailing slash.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoint {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host name or address; an IPv6 address keeps its brackets.
    pub host: String,
    /// Port unless it is the scheme's own.
    pub port: Option<u16>,
    /// Path prefix, empty or beginning with a slash.
    pub path: String,
}

impl Endpoint {
    /// Parses what a user wrote.
    ///
    /// # Errors
    /// Names `s3.endpoint` when the text is not an address that can be signed for.
    pub fn parse(text: &str) -> Result<Self, InvalidSpec> {
        if text.contains(['?', '#']) {
            return Err(refused(rules::ENDPOINT_QUERY));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refused(rules::ENDPOINT_FORM))?;
        let authority_end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(authority_end);
        if authority.contains('@') {
            return Err(refused(rules::ENDPOINT_USERINFO));
        }
        Self::assemble(scheme, authority, path).ok_or_else(|| refused(rules::ENDPOINT_FORM))
    }

    fn assemble(scheme: &str, authority: &str, path: &str) -> Option<Self> {
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let (host, port) = split_port(authority)?;
        let host = host.to_ascii_lowercase();
        if !is_host(&host) {
            return None;
        }
        let path = path.trim_end_matches('/');
        if !path.is_empty() && !path[1..].split('/').all(is_prefix_segment) {
            return None;
        }
        let default = match scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        let port = port.filter(|port| *port != default);
        Some(Self { scheme, host, port, path: path.to_owned() })
    }

    /// Whether the host is an IP address, before which no bucket can stand.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.host.starts_with('[') || self.host.parse::<Ipv4Addr>().is_ok()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

fn refused(rule: Rule) -> InvalidSpec {
    InvalidSpec::new("s3.endpoint", rule.message)
}

/// Host and port of an authority; `None` when the port is not 1 to 65535.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority[host_end..].find(':') {
        None => Some((authority, None)),
        Some(colon) => {
            let digits = &authority[host_end + colon + 1..];
            let port = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
            (port != 0).then_some((&authority[..host_end + colon], Some(port)))
        }
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !host.is_empty()
        && host.chars().all(name)
        && host.starts_with(|c: char| c.is_ascii_alphanumeric())
        && host.ends_with(|c: char| c.is_ascii_alphanumeric())
        && !host.contains("..")
}

fn is_prefix_segment(segment: &str) -> bool {
    let unreserved = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-');
    !segment.is_empty() && segment.chars().all(unreserved) && !segment.contains("..") && segment != "."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_what_does_not_matter() {
        for (text, expected) in [
            ("https://US-West.s3.qencode.com", "https://us-west.s3.qencode.com"),
            ("https://minio.example:443/", "https://minio.example"),
            ("http://minio.example:80", "http://minio.example"),
            ("HTTP://minio.example:9000//", "http://minio.example:9000"),
            ("https://[::1]:9000", "https://[::1]:9000"),
            ("http://my_minio:9000", "http://my_minio:9000"),
            ("https://p.supabase.co/storage/v1/s3/", "https://p.supabase.co/storage/v1/s3"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn refuses_what_cannot_be_signed_for() {
        for text in [
            "",
            "minio",
            "ftp://minio",
            "https://",
            "https://:9000",
            "https://a:0",
            "https://a:65536",
            "https://a:x",
            "https://a b",
            "https://u:p@a",
            "https://a?x",
            "https://a#x",
            "https://a/../b",
            "https://a//b",
            "https://[zz]",
            "https://.a",
            "https://a..b",
            "https://a/%20",
            "https://[::1",
            "https://a:+80",
            "https://a:",
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert_eq!(error.field, "s3.endpoint", "{text:?}");
        }
    }
}
