//! The checks behind a [`Request`](super::Request), one function a field.
//!
//! They repeat the schema's rules, in the same order and with the same sentences, for
//! objects that were stored through an older definition.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::InvalidSpec;
use crate::crd::rules::{self, Rule};
use crate::crd::{AddressingStyle, Method, PresignedUrlSpec, ResponseOverrides};

type Check = Result<(), InvalidSpec>;

/// Refuses with the sentence of `rule`, against `field`, unless the condition holds.
pub(super) fn require(holds: bool, field: &'static str, rule: Rule) -> Check {
    if holds { Ok(()) } else { Err(InvalidSpec::new(field, rule.message)) }
}

/// Refuses what the schema of today would not store. Like it, counts characters.
pub(super) fn at_most(limit: usize, text: &str, field: &'static str) -> Check {
    if text.chars().nth(limit).is_none() { Ok(()) } else { Err(InvalidSpec::new(field, "is too long")) }
}

pub(super) fn bucket(bucket: &str, has_endpoint: bool) -> Check {
    let field = "bucket";
    require(!bucket.ends_with("--x-s3"), field, rules::BUCKET_EXPRESS)?;
    if has_endpoint {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let fits = (3..=255).contains(&bucket.len()) && bucket.chars().all(allowed);
        return require(fits && !bucket.contains(".."), field, rules::BUCKET_ENDPOINT);
    }
    let fits = if bucket.starts_with("arn:") { is_access_point(bucket) } else { is_aws_bucket(bucket) };
    require(fits, field, rules::BUCKET_AWS)
}

fn is_aws_bucket(bucket: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=63).contains(&bucket.len())
        && bucket.chars().all(|c| alphanumeric(c) || matches!(c, '.' | '-'))
        && bucket.starts_with(alphanumeric)
        && bucket.ends_with(alphanumeric)
        && !bucket.contains("..")
        && !bucket.starts_with("xn--")
        && bucket.parse::<Ipv4Addr>().is_err()
        && !looks_like_address(bucket)
}

/// Four groups of digits, also where they are too large for an address.
fn looks_like_address(bucket: &str) -> bool {
    let groups: Vec<&str> = bucket.split('.').collect();
    groups.len() == 4 && groups.iter().all(|g| !g.is_empty() && g.bytes().all(|b| b.is_ascii_digit()))
}

/// `arn:aws:s3:region:account:accesspoint/name`; a multi-region one has no region.
fn is_access_point(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, partition, service, region, account, resource] = parts[..] else {
        return false;
    };
    let lower = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let name = resource.strip_prefix("accesspoint").and_then(|rest| rest.strip_prefix(['/', ':']));
    let is_name = |name: &str| {
        (3..=50).contains(&name.len()) && lower(name) && !name.starts_with('-') && !name.ends_with('-')
    };
    let is_partition = partition.strip_prefix("aws").is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix('-').is_some_and(|words| {
                words.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
            })
    });
    is_partition
        && service == "s3"
        && !region.is_empty()
        && lower(region)
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && name.is_some_and(is_name)
}

pub(super) fn key(key: &str) -> Check {
    let field = "key";
    if key.is_empty() {
        return Err(InvalidSpec::new(field, "must not be empty"));
    }
    require(key.len() <= 1024, field, rules::KEY_BYTES)?;
    require(!key.contains(char::is_control), field, rules::KEY_CONTROL)?;
    require(!key.split('/').any(|segment| segment == "." || segment == ".."), field, rules::KEY_DOTS)
}

pub(super) fn version(version: Option<&str>, method: Method) -> Check {
    let Some(version) = version else { return Ok(()) };
    let field = "versionID";
    require(method != Method::Put, field, rules::VERSION_METHOD)?;
    if version.is_empty() {
        return Err(InvalidSpec::new(field, "must not be empty: remove it to mean the latest version"));
    }
    require(!version.contains(char::is_control), field, rules::VERSION_CONTROL)?;
    at_most(1024, version, field)
}

/// Names that the client, a proxy or the signature itself sets, or that signers leave
/// out without a word.
const REFUSED_HEADERS: [&str; 18] = [
    "host",
    "authorization",
    "user-agent",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "x-amzn-trace-id",
    "x-amz-user-agent",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

pub(super) fn headers(headers: &BTreeMap<String, String>) -> Check {
    let field = "headers";
    if headers.len() > 32 {
        return Err(InvalidSpec::new(field, "at most 32 headers can be signed"));
    }
    let mut seen = std::collections::BTreeSet::new();
    for (name, value) in headers {
        let token = |c: char| c.is_ascii_alphanumeric() || "_.~!#$%&*+^|-".contains(c);
        let lower = name.to_ascii_lowercase();
        let is_name = (1..=128).contains(&name.len()) && name.chars().all(token);
        require(is_name, field, rules::HEADER_NAME)?;
        require(!REFUSED_HEADERS.contains(&lower.as_str()), field, rules::HEADER_REFUSED)?;
        let is_length = lower == "content-length";
        require(seen.insert(lower), field, rules::HEADER_UNIQUE)?;
        let printable = value.bytes().all(|b| (b' '..=b'~').contains(&b));
        let is_value = printable && !value.is_empty() && value.trim() == value && value.len() <= 2048;
        require(is_value, field, rules::HEADER_VALUE)?;
        require(!is_length || is_size(value), field, rules::HEADER_LENGTH)?;
    }
    Ok(())
}

/// A whole number of bytes without leading zeros, up to a petabyte.
fn is_size(text: &str) -> bool {
    let is_plain = text == "0" || !text.starts_with('0');
    is_plain && (1..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

pub(super) fn response(response: Option<&ResponseOverrides>, method: Method) -> Check {
    let Some(response) = response else { return Ok(()) };
    require(method == Method::Get, "response", rules::RESPONSE_METHOD)?;
    for (_, value) in super::response_parameters(response) {
        if value.is_empty() {
            return Err(InvalidSpec::new("response", "values must not be empty: remove the field instead"));
        }
        require(!value.contains(char::is_control), "response", rules::RESPONSE_VALUE)?;
        at_most(1024, value, "response")?;
    }
    Ok(())
}

pub(super) fn query(query: &BTreeMap<String, String>, method: Method) -> Check {
    let field = "query";
    if query.len() > 16 {
        return Err(InvalidSpec::new(field, "at most 16 parameters can be added"));
    }
    for (name, value) in query {
        require(is_query_name(name), field, rules::QUERY_NAME)?;
        require(!value.contains(char::is_control), field, rules::QUERY_VALUE)?;
        at_most(1024, value, field)?;
    }
    let (part, upload) = (query.get("partNumber"), query.get("uploadId"));
    let paired = part.is_some() == upload.is_some() && (part.is_none() || method == Method::Put);
    require(paired, field, rules::QUERY_PART)?;
    if let Some(part) = part {
        let digits = part.bytes().all(|b| b.is_ascii_digit()) && !part.starts_with('0');
        let number: Option<u32> = part.parse().ok().filter(|_| digits);
        require(number.is_some_and(|n| (1..=10_000).contains(&n)), field, rules::QUERY_PART_NUMBER)?;
    }
    require(upload.is_none_or(|id| !id.is_empty()), field, rules::QUERY_VALUE)
}

fn is_query_name(name: &str) -> bool {
    if name == "partNumber" || name == "uploadId" {
        return true;
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-');
    let lower = name.to_ascii_lowercase();
    (3..=128).contains(&name.len())
        && name.starts_with("x-")
        && name.chars().all(allowed)
        && lower != "x-id"
        && !lower.starts_with("x-amz-")
}

pub(super) fn region(spec: &PresignedUrlSpec) -> Check {
    let (region, field) = (spec.s3.region.as_str(), "s3.region");
    require(!region.trim().is_empty(), field, rules::REGION_BLANK)?;
    let hosted = spec.s3.addressing_style == Some(AddressingStyle::VirtualHosted);
    let fits = if spec.s3.endpoint.is_some() && hosted {
        // The SDK wants a host label there, although the region is no part of the host.
        let label = |c: char| c.is_ascii_alphanumeric() || c == '-';
        region.len() <= 63 && !region.starts_with('-') && region.chars().all(label)
    } else if spec.s3.endpoint.is_some() {
        region.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    } else {
        is_dns_label(region) && region.len() <= 63 && !region.starts_with("xn--")
    };
    require(fits && region.len() <= 64, field, rules::REGION_FORM)?;
    let of_arn = spec.bucket.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
    require(of_arn.is_none_or(|of_arn| of_arn == region), field, rules::REGION_ARN)
}

/// `a-z`, `0-9` and `-`, with a letter or digit at both ends.
pub(super) fn is_dns_label(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else {
        return false;
    };
    alphanumeric(first) && alphanumeric(last) && text.bytes().all(|b| alphanumeric(b) || b == b'-')
}

/// DNS labels joined by dots, at most 253 in all: a Kubernetes name.
pub(super) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

/// A data key of a Secret.
pub(super) fn is_data_key(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=253).contains(&text.len()) && text.chars().all(allowed) && text != "." && !text.starts_with("..")
}
