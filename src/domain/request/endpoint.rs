//! The endpoint of a store, normalised, and whether a bucket can be part of its host.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::InvalidSpec;
use super::checks::at_most;
use crate::crd::rules::{self, Rule};
use crate::crd::{AwsOptions, S3Connection};

/// URL scheme of an endpoint.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// The address of an S3-compatible store. The host is in lower case, and there is no default port and no
/// trailing slash.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoint {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host name or IP address. An IPv6 address keeps its brackets.
    pub host: String,
    /// Port; `None` for the default port of the scheme.
    pub port: Option<u16>,
    /// Path prefix: empty, or with a leading slash.
    pub path: String,
}

impl Endpoint {
    /// Parses the endpoint in a spec.
    ///
    /// # Errors
    /// When no URL can be signed for the address. The error names `s3.endpoint`.
    pub fn parse(text: &str) -> Result<Self, InvalidSpec> {
        at_most(1024, text, "s3.endpoint")?;
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
        let host = normalised(host)?;
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

    /// Whether the host is an IP address.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.host.starts_with('[') || self.host.parse::<Ipv4Addr>().is_ok()
    }

    /// Whether a bucket can be put before the host. It cannot be put before an IP address, nor before a
    /// name without a dot, because DNS has no names below it.
    #[must_use]
    pub fn has_domain(&self) -> bool {
        self.host.contains('.') && !self.is_address()
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

/// Which of the addresses of AWS to use. Nothing of it is set for another store.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct AwsAddress {
    /// Whether IPv6 clients reach it too.
    pub dual_stack: bool,
    /// Whether it has FIPS 140 cryptography.
    pub fips: bool,
}

impl AwsAddress {
    /// Reads what a connection says.
    #[must_use]
    pub fn of(s3: &S3Connection) -> Self {
        let is_set = |flag: fn(&AwsOptions) -> Option<bool>| s3.aws.as_ref().and_then(flag).unwrap_or(false);
        Self { dual_stack: is_set(|aws| aws.dual_stack), fips: is_set(|aws| aws.fips) }
    }
}

/// What the regions of a partition of AWS begin with, the name of the partition, and its domain, as in the
/// partition table of the SDK.
const PARTITIONS: [(&str, &str, &str); 7] = [
    ("cn-", "aws-cn", "amazonaws.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
    ("eusc-", "aws-eusc", "amazonaws.eu"),
    ("us-iso-", "aws-iso", "c2s.ic.gov"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
];

/// The name and the domain of the partition of AWS that a region is in.
pub(in crate::domain) fn aws_partition(region: &str) -> (&'static str, &'static str) {
    let found = PARTITIONS.into_iter().find(|(prefix, ..)| region.starts_with(prefix));
    found.map_or(("aws", "amazonaws.com"), |(_, name, domain)| (name, domain))
}

/// The host of a URL for AWS, without the bucket or access point before it.
#[must_use]
pub fn aws_host(bucket: &str, region: &str, address: AwsAddress) -> String {
    let service = if bucket.starts_with("arn:") { "s3-accesspoint" } else { "s3" };
    let (_, domain) = aws_partition(region);
    match region {
        "aws-global" if service == "s3" => format!("{service}.{domain}"),
        _ => {
            let fips = if address.fips { "-fips" } else { "" };
            let dual_stack = if address.dual_stack { ".dualstack" } else { "" };
            format!("{service}{fips}{dual_stack}.{region}.{domain}")
        }
    }
}

fn refused(rule: Rule) -> InvalidSpec {
    InvalidSpec::new("s3.endpoint", rule.message)
}

/// Splits an authority into host and port; `None` when the port is not 1 to 65535.
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

/// The host as clients send it. Clients rewrite an IP address that is not in its usual form, which would
/// break the signature. `None` when the text is no host, or one that clients rewrite differently.
fn normalised(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().ok().filter(|_| !address.contains('.'))?;
        return address.to_ipv4_mapped().is_none().then(|| format!("[{address}]"));
    }
    let host = host.to_ascii_lowercase();
    let is_address = host.parse::<Ipv4Addr>().is_ok();
    (is_address || (is_name(&host) && !ends_in_a_number(&host))).then_some(host)
}

/// Whether clients parse the host as an IPv4 address because of its last label:
/// <https://url.spec.whatwg.org/#ends-in-a-number-checker>.
fn ends_in_a_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_hex = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
    last.bytes().all(|b| b.is_ascii_digit()) || last.strip_prefix("0x").is_some_and(is_hex)
}

fn is_name(host: &str) -> bool {
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
            ("https://[2001:DB8:0::0:7]", "https://[2001:db8::7]"),
            ("http://192.0.2.1:9000", "http://192.0.2.1:9000"),
            ("http://my_minio:9000", "http://my_minio:9000"),
            ("https://p.supabase.co/storage/v1/s3/", "https://p.supabase.co/storage/v1/s3"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn the_hosts_of_aws_have_their_region_but_for_the_global_one() {
        let plain = AwsAddress::default();
        let all = AwsAddress { fips: true, dual_stack: true };
        let arn = "arn:aws:s3:eu-west-1:1:accesspoint/a";
        for (bucket, region, address, expected) in [
            ("reports", "eu-west-1", plain, "s3.eu-west-1.amazonaws.com"),
            ("reports", "aws-global", plain, "s3.amazonaws.com"),
            (arn, "aws-global", plain, "s3-accesspoint.aws-global.amazonaws.com"),
            (arn, "cn-north-1", plain, "s3-accesspoint.cn-north-1.amazonaws.com.cn"),
            ("reports", "us-gov-west-1", all, "s3-fips.dualstack.us-gov-west-1.amazonaws.com"),
        ] {
            assert_eq!(aws_host(bucket, region, address), expected);
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
            "http://010.0.0.1",
            "http://192.0.2",
            "http://0x7f000001",
            "http://a.1",
            "http://[::ffff:1.2.3.4]",
            "http://[::ffff:102:304]",
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert_eq!(error.field, "s3.endpoint", "{text:?}");
        }
    }
}
