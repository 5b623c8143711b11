//! The table of the contract, and the corners of some rules.

use super::*;

/// Whether `inner` is `outer` or a part of it.
fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn is_about(row: &rows::Row, field: &str) -> bool {
    let is_one = |changed: &String| is_within(changed, field) || is_within(field, changed);
    !field.is_empty() && row.changed().iter().any(is_one)
}

/// What the API server says of the same rows is a test of the contract.
#[test]
fn the_parser_keeps_to_the_table_of_the_contract() {
    let failures = rows::all().into_iter().filter_map(|row| {
        let verdict = rows::parse(&row.spec());
        let refusal = verdict.as_ref().err().and_then(|refusal| refusal.as_deref()?.split_once(": "));
        let failure = match (&verdict, refusal, &row.about) {
            (Ok(_), ..) if row.is_accepted => return None,
            (Ok(_), ..) => "accepted".to_owned(),
            (Err(None), _, None) if !row.is_accepted => return None,
            // What the schema says to the API server, of one of the fields that differ.
            (Err(_), Some((field, _)), None) if !row.is_accepted && is_about(&row, field) => return None,
            (Err(_), Some((field, sentence)), Some(rule))
                if !row.is_accepted && rows::is_of(rule, sentence) && field.ends_with(rule.field) =>
            {
                return None;
            }
            (Err(refusal), ..) => format!("refused: {refusal:?}"),
        };
        Some(format!("{}: {failure}", row.name()))
    });
    let failures: Vec<_> = failures.collect();
    assert!(failures.is_empty(), "{} rows fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_rule_is_listed_and_has_rows_on_both_sides() {
    let rows = rows::all();
    for (name, rule) in rules::ALL {
        for is_accepted in [true, false] {
            let is_row = |row: &rows::Row| {
                row.is_accepted == is_accepted && row.about.is_some_and(|about| about.cel == rule.cel)
            };
            assert!(rows.iter().any(is_row), "{name} has no row with is_accepted: {is_accepted}");
        }
        assert_eq!(rule.names.is_some(), rule.message.contains("{}"), "{name}");
        assert!(rule.names.is_none() || !rule.message.contains('\''), "{name}: quotes end the text in CEL");
    }
}

#[test]
fn what_the_schema_bounds_is_bounded_here_too() {
    let many = |count: usize| (0..count).map(|n| (format!("x-{n}"), "1")).collect::<BTreeMap<_, _>>();
    for (good, bad, field) in [
        (json!({"key": "k"}), json!({"key": ""}), "key"),
        (json!({"versionID": "1"}), json!({"versionID": ""}), "versionID"),
        (json!({"headers": many(32)}), json!({"headers": many(33)}), "headers"),
        (json!({"query": many(16)}), json!({"query": many(17)}), "query"),
        (json!({"response": {"expires": "0"}}), json!({"response": {"expires": ""}}), "response"),
        (json!({"renewBeforePercentage": 1}), json!({"renewBeforePercentage": 0}), "renewBeforePercentage"),
        (json!({"renewBeforePercentage": 80}), json!({"renewBeforePercentage": 81}), "renewBeforePercentage"),
        (json!({"renewBeforePercentage": 1}), json!({"renewBeforePercentage": -1}), "renewBeforePercentage"),
        (json!({"expiresIn": "1m"}), json!({"expiresIn": "59s"}), "expiresIn"),
        (json!({"bucket": "a".repeat(255)}), json!({"bucket": "a".repeat(256)}), "bucket"),
        (json!({"s3": {"region": "a".repeat(64)}}), json!({"s3": {"region": "a".repeat(65)}}), "s3.region"),
        (json!({"headers": {"a": "b".repeat(2048)}}), json!({"headers": {"a": "b".repeat(2049)}}), "headers"),
    ] {
        assert!(parse(&good).is_ok(), "{good}");
        assert_eq!(parse(&bad).unwrap_err().field, field, "{bad}");
    }
}

/// The region in the ARN, or one of AWS.
fn region_of(bucket: &str) -> &str {
    bucket.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)).unwrap_or("us-west-2")
}

#[test]
fn a_bucket_of_aws_follows_its_rules() {
    let longest = "a".repeat(63);
    for bucket in [
        "a1b",
        "a.b-c",
        "1.2.3",
        "1.2.3.4x",
        &longest,
        ARN,
        "arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint:abc",
    ] {
        let parsed = parse(&json!({"bucket": bucket, "s3": {"endpoint": null, "region": region_of(bucket)}}));
        assert!(parsed.is_ok(), "{bucket}: {parsed:?}");
    }
    let too_long = "a".repeat(64);
    for bucket in [
        "ab",
        &too_long,
        "a_b",
        "-ab",
        "ab-",
        ".ab",
        "ab.",
        "a..b",
        "xn--ab",
        "1.2.3.4",
        "999.9.9.9",
        "arn:aws:s3::123456789012:accesspoint/name.mrap",
        "arn:aws:s3:r:12345678901:accesspoint/name",
        "arn:aws:s3:r:123456789012:bucket/name",
        "arn:aws:s3:r:123456789012:accesspoint/ab",
        "arn:aws:s3:r:123456789012:accesspoint/-ab",
        "arn:aws:sns:r:123456789012:accesspoint/name",
        "arn:gcp:s3:r:123456789012:accesspoint/name",
        "arn:aws-:s3:r:123456789012:accesspoint/name",
        "arn:aws:s3:r:123456789012:accesspoint/xn--3g5-m",
        "arn:aws:s3:xn--r:123456789012:accesspoint/name",
        "arn:",
    ] {
        let refused = parse(&json!({"bucket": bucket, "s3": {"endpoint": null}})).unwrap_err();
        assert_eq!(refused.message, rules::BUCKET_AWS.message, "{bucket}");
    }
}

#[test]
fn only_harmless_parameters_may_be_added() {
    let long = format!("x-{}", "a".repeat(127));
    for name in
        ["x-id", "X-a", "x-", "x-amz-acl", "x-AMZ-acl", "x-a/b", "acl", "versionId", "partnumber", &long]
    {
        let refused = parse(&json!({"query": {name: "1"}, "method": "PUT"})).unwrap_err();
        assert_eq!(refused.message, rules::QUERY_NAME.message, "{name}");
    }
    for (method, query, message) in [
        ("GET", json!({"partNumber": "1", "uploadId": "u"}), rules::QUERY_PART),
        ("PUT", json!({"uploadId": "u"}), rules::QUERY_PART),
        ("PUT", json!({"partNumber": "01", "uploadId": "u"}), rules::QUERY_PART_NUMBER),
        ("PUT", json!({"partNumber": "+1", "uploadId": "u"}), rules::QUERY_PART_NUMBER),
        ("PUT", json!({"partNumber": "0", "uploadId": "u"}), rules::QUERY_PART_NUMBER),
        ("PUT", json!({"partNumber": "1", "uploadId": ""}), rules::QUERY_VALUE),
    ] {
        let refused = parse(&json!({"query": query, "method": method})).unwrap_err();
        assert_eq!(refused.message, message.message, "{query}");
    }
}
