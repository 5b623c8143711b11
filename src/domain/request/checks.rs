//! The checks behind a [`Request`](super::Request), one function for each field.
//!
//! They repeat the rules of the CRD schema, in the same order and with the same messages, for objects
//! that were stored under an older schema.

use std::collections::{BTreeMap, BTreeSet};

use super::InvalidSpec;
use crate::crd::duration::DurationText;
use crate::crd::rules::{self, Rule};
use crate::crd::{AddressingStyle, Method, ResponseOverrides, S3Connection};

pub(in crate::domain) type CheckResult = Result<(), InvalidSpec>;

/// Refuses `field` with the message of `rule`, unless the condition holds.
pub(in crate::domain) fn require(holds: bool, field: &'static str, rule: Rule) -> CheckResult {
    if holds { Ok(()) } else { Err(InvalidSpec::new(field, rule.message)) }
}

/// Refuses a text that is longer than the schema permits. Counts characters, as the schema does.
pub(in crate::domain) fn at_most(limit: usize, text: &str, field: &'static str) -> CheckResult {
    if text.chars().nth(limit).is_none() {
        return Ok(());
    }
    Err(InvalidSpec::new(field, format!("must not be longer than {limit} characters")))
}

pub(super) fn key(key: &str) -> CheckResult {
    let field = "key";
    if key.is_empty() {
        return Err(InvalidSpec::new(field, "must not be empty"));
    }
    require(key.len() <= 1024, field, rules::KEY_BYTES)?;
    require(!key.contains(char::is_control), field, rules::KEY_CONTROL)?;
    require(!key.split('/').any(|segment| segment == "." || segment == ".."), field, rules::KEY_DOTS)?;
    let scheme = key.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let is_address = scheme.is_some_and(|scheme| ["s3", "s3a", "s3n"].contains(&scheme.as_str()));
    require(!is_address, field, rules::KEY_SCHEME)?;
    require(key.bytes().any(|byte| byte != b'/'), field, rules::KEY_SLASHES)
}

pub(super) fn version(version: Option<&str>, method: Method) -> CheckResult {
    let Some(version) = version else { return Ok(()) };
    let field = "versionID";
    require(!matches!(method, Method::Put | Method::Post), field, rules::VERSION_METHOD)?;
    if version.is_empty() {
        return Err(InvalidSpec::new(field, "must not be empty: remove it to mean the latest version"));
    }
    require(!version.contains(char::is_control), field, rules::VERSION_CONTROL)?;
    at_most(1024, version, field)
}

pub(super) fn headers(headers: &BTreeMap<String, String>) -> CheckResult {
    let field = "headers";
    if headers.len() > 32 {
        return Err(InvalidSpec::new(field, "at most 32 headers can be signed"));
    }
    let all: BTreeSet<String> = headers.keys().map(|name| name.to_ascii_lowercase()).collect();
    let mut seen = BTreeSet::new();
    for (name, value) in headers {
        let token = |c: char| c.is_ascii_alphanumeric() || "_.~!#$%&*+^|-".contains(c);
        let lower = name.to_ascii_lowercase();
        let is_name = (1..=128).contains(&name.len()) && name.chars().all(token);
        require(is_name, field, rules::HEADER_NAME)?;
        if rules::REFUSED_HEADERS.contains(&lower.as_str()) {
            let refused = first(rules::REFUSED_HEADERS, |refused| all.contains(refused));
            return Err(InvalidSpec::new(field, rules::HEADER_REFUSED.about(refused)));
        }
        if rules::KEY_HEADERS.iter().any(|start| lower.starts_with(start)) {
            let start = first(rules::KEY_HEADERS, |start| all.iter().any(|name| name.starts_with(start)));
            return Err(InvalidSpec::new(field, rules::HEADER_KEY.about(start)));
        }
        let is_length = lower == "content-length";
        require(seen.insert(lower), field, rules::HEADER_UNIQUE)?;
        let printable = value.bytes().all(|b| (b' '..=b'~').contains(&b));
        let is_value = printable && !value.is_empty() && value.trim() == value && value.len() <= 2048;
        require(is_value, field, rules::HEADER_VALUE)?;
        require(!is_length || is_size(value), field, rules::HEADER_LENGTH)?;
    }
    Ok(())
}

/// The first item of a list that matches. The message of the schema rule names the same one.
fn first<'a>(list: &[&'a str], is_it: impl Fn(&str) -> bool) -> &'a str {
    list.iter().find(|name| is_it(name)).copied().unwrap_or_default()
}

/// Whether a text is a number of bytes without leading zeros, with at most 15 digits (a petabyte).
fn is_size(text: &str) -> bool {
    let is_plain = text == "0" || !text.starts_with('0');
    is_plain && (1..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

pub(super) fn response(response: Option<&ResponseOverrides>, method: Method) -> CheckResult {
    let Some(response) = response else { return Ok(()) };
    require(matches!(method, Method::Get | Method::Head), "response", rules::RESPONSE_METHOD)?;
    for (_, value) in super::parameters::response_parameters(response) {
        if value.is_empty() {
            return Err(InvalidSpec::new("response", "values must not be empty: remove the field instead"));
        }
        require(!value.contains(char::is_control), "response", rules::RESPONSE_VALUE)?;
        at_most(1024, value, "response")?;
    }
    Ok(())
}

pub(super) fn query(query: &BTreeMap<String, String>, method: Method) -> CheckResult {
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
    let is_of_method = match method {
        Method::Put => part.is_some() == upload.is_some(),
        Method::Get | Method::Head => upload.is_none(),
        Method::Delete | Method::Post => part.is_none() && upload.is_none(),
    };
    require(is_of_method, field, rules::QUERY_PART)?;
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

pub(super) fn region(s3: &S3Connection) -> CheckResult {
    let (region, field) = (s3.region.as_str(), "s3.region");
    require(!region.trim().is_empty(), field, rules::REGION_BLANK)?;
    let hosted = s3.addressing_style == Some(AddressingStyle::VirtualHosted);
    let fits = if s3.endpoint.is_some() && hosted {
        // The SDK requires a host label here, although the region is not part of the host.
        let label = |c: char| c.is_ascii_alphanumeric() || c == '-';
        region.len() <= 63 && !region.starts_with('-') && region.chars().all(label)
    } else if s3.endpoint.is_some() {
        region.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    } else {
        is_dns_label(region) && region.len() <= 63 && !region.starts_with("xn--")
    };
    require(fits && region.len() <= 64, field, rules::REGION_FORM)?;
    require(region != "aws-global", field, rules::REGION_GLOBAL)?;
    if s3.endpoint.is_none() {
        require(!is_global(region), field, rules::REGION_GLOBAL)?;
        require(is_of_aws(region), field, rules::REGION_AWS)?;
    }
    Ok(())
}

/// Requires that the ARN of an access point names the region of the connection.
pub(super) fn region_of_arn(bucket: &str, region: &str) -> CheckResult {
    let of_arn = bucket.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
    require(of_arn.is_none_or(|of_arn| of_arn == region), "s3.region", rules::REGION_ARN)
}

/// Whether this is a pseudo region of the partition table of AWS, such as `aws-global`.
fn is_global(region: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let middle = region.strip_prefix("aws").and_then(|rest| rest.strip_suffix("-global"));
    middle.is_some_and(|middle| {
        middle.is_empty() || middle.strip_prefix('-').is_some_and(|words| words.split('-').all(is_word))
    })
}

/// Whether a region has an area, a direction and a number, as in the partition table of the SDK.
fn is_of_aws(region: &str) -> bool {
    let mut parts = region.rsplitn(3, '-');
    let (Some(number), Some(direction), Some(area)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    is_number && !direction.is_empty() && rules::AWS_AREAS.contains(&area)
}

/// Whether a text is the name of a partition of AWS, in which its ARNs are: `aws` or `aws-us-gov`.
pub(in crate::domain) fn is_partition(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    text.strip_prefix("aws").is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('-').is_some_and(|words| words.split('-').all(is_word))
    })
}

/// Refuses a duration without a unit and one in days or weeks, each with its own message.
pub(super) fn unit(text: &DurationText, field: &'static str, number: Rule, days: Rule) -> CheckResult {
    let text = text.0.as_str();
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    require(!is_number, field, number)?;
    let bytes = text.as_bytes();
    let is_known = |byte: &u8| byte.is_ascii_digit() || b"hmsdw".contains(byte);
    let is_digit = |at: usize| bytes.get(at).is_none_or(u8::is_ascii_digit);
    let names_days = bytes.iter().enumerate().any(|(at, byte)| {
        let is_after_digit = at > 0 && bytes[at - 1].is_ascii_digit();
        b"dw".contains(byte) && is_after_digit && is_digit(at + 1) && bytes[..at].iter().all(is_known)
    });
    require(!names_days, field, days)
}

/// Whether a text has only `a-z`, `0-9` and `-`, with a letter or digit at both ends.
pub(in crate::domain) fn is_dns_label(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else {
        return false;
    };
    alphanumeric(first) && alphanumeric(last) && text.bytes().all(|b| alphanumeric(b) || b == b'-')
}

/// Whether a text is a Kubernetes name: DNS labels joined by dots, at most 253 characters.
pub(in crate::domain) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

/// Requires that the name of a signer is a Kubernetes name.
pub(in crate::domain) fn signer_name(name: &str) -> CheckResult {
    require(is_dns_subdomain(name), "signerRef.name", rules::SIGNER_NAME)
}

/// Whether a text can be a data key of a Secret.
pub(super) fn is_data_key(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=253).contains(&text.len()) && text.chars().all(allowed) && text != "." && !text.starts_with("..")
}
