//! The rules for the name of a bucket.

use std::net::Ipv4Addr;

use super::checks::{CheckResult, is_partition, require};
use crate::crd::rules;

/// Checks a name against the rules of AWS, or the less strict ones of other stores.
pub(in crate::domain) fn check(bucket: &str, has_endpoint: bool) -> CheckResult {
    let field = "bucket";
    require(!bucket.contains("://"), field, rules::BUCKET_SCHEME)?;
    require(!bucket.ends_with("--x-s3"), field, rules::BUCKET_EXPRESS)?;
    if has_endpoint {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        // The SDK takes `arn:` for the beginning of an ARN.
        let is_tenant = |text: &str| {
            !["", "arn"].contains(&text) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let (tenant, name) = bucket.split_once(':').map_or((None, bucket), |(t, name)| (Some(t), name));
        let fits = (3..=255).contains(&name.len()) && name.chars().all(allowed) && bucket.len() <= 255;
        let fits = fits && tenant.is_none_or(is_tenant) && !name.contains("..");
        return require(fits, field, rules::BUCKET_ENDPOINT);
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

/// Whether a name has four groups of digits, even if the numbers are too large for an address.
fn looks_like_address(bucket: &str) -> bool {
    let groups: Vec<&str> = bucket.split('.').collect();
    groups.len() == 4 && groups.iter().all(|g| !g.is_empty() && g.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a name is the ARN of an access point: `arn:aws:s3:region:account:accesspoint/name`. The ARN of
/// a multi-region access point has no region, and is refused.
fn is_access_point(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, partition, service, region, account, resource] = parts[..] else {
        return false;
    };
    let lower = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    // Both become labels of the host, and clients read a label with `xn--` in front as Punycode.
    let is_label = |text: &str| lower(text) && !text.starts_with("xn--");
    let name = resource.strip_prefix("accesspoint").and_then(|rest| rest.strip_prefix(['/', ':']));
    let is_name = |name: &str| {
        (3..=50).contains(&name.len()) && is_label(name) && !name.starts_with('-') && !name.ends_with('-')
    };
    is_partition(partition)
        && service == "s3"
        && !region.is_empty()
        && is_label(region)
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && name.is_some_and(is_name)
}
