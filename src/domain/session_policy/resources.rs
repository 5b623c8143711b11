//! The resources of a session policy: ARNs of objects, in which only intended wildcards are wildcards.

use super::Unnarrowable;
use crate::domain::policy::{KeyPatterns, PolicyRule};
use crate::domain::request::{Connection, aws_partition};

/// The partition in the ARNs of a store. Other stores than AWS have only `aws`.
pub(super) fn partition(connection: &Connection) -> &'static str {
    if connection.endpoint.is_some() { "aws" } else { aws_partition(&connection.region).0 }
}

/// The ARN of the objects in a bucket that a pattern of keys matches.
///
/// The forms are those of AWS for buckets, of
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html> for access points, and
/// of <https://docs.ceph.com/en/latest/radosgw/bucketpolicy/> for the buckets of Ceph's tenants.
pub(super) fn resource(connection: &Connection, bucket: &str, pattern: &str) -> String {
    if bucket.starts_with("arn:") {
        format!("{}/object/{pattern}", bucket.replacen(":accesspoint:", ":accesspoint/", 1))
    } else if bucket.contains(':') {
        format!("arn:aws:s3::{bucket}/{pattern}")
    } else {
        format!("arn:{}:s3:::{bucket}/{pattern}", partition(connection))
    }
}

/// The pattern that matches a text and nothing else.
///
/// A `*` or `?` is a wildcard, and `${` begins a variable. AWS has escapes for them:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars>.
///
/// # Errors
/// The first of these characters, when the store is not AWS: other stores do not know the escapes.
pub(super) fn literal(connection: &Connection, text: &str) -> Result<String, char> {
    let is_special = |c: &char| matches!(c, '*' | '?' | '$');
    match text.chars().find(is_special) {
        Some(character) if connection.endpoint.is_some() => Err(character),
        Some(_) => {
            let escaped = |c| if is_special(&c) { format!("${{{c}}}") } else { c.to_string() };
            Ok(text.chars().map(escaped).collect())
        }
        None => Ok(text.to_owned()),
    }
}

/// The patterns of the keys that a rule allows to a namespace, for every name.
pub(super) fn patterns(
    rule: &PolicyRule,
    namespace: &str,
    connection: &Connection,
) -> Result<Vec<String>, Unnarrowable> {
    let (KeyPatterns::Prefixes(all) | KeyPatterns::Keys(all)) = &rule.keys;
    let is_prefix = matches!(rule.keys, KeyPatterns::Prefixes(_));
    let refused = |character| Unnarrowable::RuleKeys { rule: rule.name.clone(), character };
    let pattern = |text: &String| {
        let segments: Vec<&str> = text.split('/').collect();
        let name = segments.iter().position(|segment| *segment == "{name}");
        let (known, rest) = segments.split_at(name.unwrap_or(segments.len()));
        if rest.contains(&"{namespace}") {
            return Err(Unnarrowable::RuleOrder { rule: rule.name.clone() });
        }
        let value = |segment: &&str| if *segment == "{namespace}" { namespace } else { segment }.to_owned();
        let mut known = known.iter().map(value).collect::<Vec<_>>().join("/");
        if name.is_some() && !known.is_empty() {
            known.push('/');
        }
        let end = if name.is_some() || is_prefix { "*" } else { "" };
        Ok(literal(connection, &known).map_err(refused)? + end)
    };
    all.iter().map(pattern).collect()
}
