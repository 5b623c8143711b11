//! Each rule of the contract, once obeyed and once broken, and the corners of some.

use std::collections::BTreeSet;

use super::*;

/// A rule by its name, the field that a refusal names, a spec that obeys and one that does not.
macro_rules! rows {
    ($($rule:ident $field:literal: $good:tt, $bad:tt;)*) => {
        [$((stringify!($rule), rules::$rule, $field, json!($good), json!($bad))),*]
    };
}

fn rows() -> [(&'static str, Rule, &'static str, Value, Value); 43] {
    rows! {
        BUCKET_EXPRESS "bucket": {"bucket": "a--x-s4"}, {"bucket": "a--x-s3"};
        BUCKET_AWS "bucket":
            {"bucket": "abc", "s3": {"endpoint": null}}, {"bucket": "Abc", "s3": {"endpoint": null}};
        BUCKET_ENDPOINT "bucket": {"bucket": "A_b"}, {"bucket": "a..b"};
        KEY_BYTES "key": {"key": "ü".repeat(512)}, {"key": "ü".repeat(513)};
        KEY_CONTROL "key": {"key": " "}, {"key": "a\tb"};
        KEY_DOTS "key": {"key": "a/..b/.c/d."}, {"key": "a/../b"};
        VERSION_METHOD "versionID": {"versionID": "1", "method": "DELETE"}, {"versionID": "1", "method": "PUT"};
        VERSION_CONTROL "versionID": {"versionID": "ü"}, {"versionID": "a\nb"};
        HEADER_NAME "headers": {"headers": {"X-A_.~!#$%&*+^|-9": "1"}}, {"headers": {"a b": "1"}};
        HEADER_UNIQUE "headers": {"headers": {"A": "1", "b": "2"}}, {"headers": {"A": "1", "a": "2"}};
        HEADER_REFUSED "headers": {"headers": {"x-host": "1"}}, {"headers": {"HOST": "1"}};
        HEADER_VALUE "headers": {"headers": {"a": "b c"}}, {"headers": {"a": " b"}};
        HEADER_LENGTH "headers": {"headers": {"Content-Length": "10"}}, {"headers": {"content-length": "10 MB"}};
        RESPONSE_METHOD "response":
            {"response": {"expires": "0"}, "method": "GET"}, {"response": {"expires": "0"}, "method": "HEAD"};
        QUERY_NAME "query": {"query": {"x-team": "a"}}, {"query": {"acl": ""}};
        QUERY_PART "query":
            {"query": {"partNumber": "1", "uploadId": "u"}, "method": "PUT"}, {"query": {"partNumber": "1"}, "method": "PUT"};
        QUERY_PART_NUMBER "query":
            {"query": {"partNumber": "10000", "uploadId": "u"}, "method": "PUT"},
            {"query": {"partNumber": "10001", "uploadId": "u"}, "method": "PUT"};
        QUERY_VALUE "query": {"query": {"x-a": ""}}, {"query": {"x-a": "\u{7f}"}};
        EXPIRES_FORM "expiresIn": {"expiresIn": "1h30m"}, {"expiresIn": "+3600"};
        EXPIRES_RANGE "expiresIn": {"expiresIn": "168h"}, {"expiresIn": "168h1s"};
        BEFORE_SHORTER "renewal.before": {"renewal": {"before": "3599s"}}, {"renewal": {"before": "1h"}};
        STYLE_HOST "s3.addressingStyle":
            {"s3": {"addressingStyle": "VirtualHosted", "endpoint": "http://a.b.c.d"}},
            {"s3": {"addressingStyle": "VirtualHosted", "endpoint": "http://10.0.0.1:9000"}};
        STYLE_BUCKET "s3.addressingStyle":
            {"bucket": "abc.def", "s3": {"addressingStyle": "VirtualHosted", "endpoint": "http://a"}},
            {"bucket": "abc.def", "s3": {"addressingStyle": "VirtualHosted", "endpoint": "https://a"}};
        STYLE_ARN "s3.addressingStyle":
            {"bucket": ARN, "s3": {"endpoint": null, "addressingStyle": "VirtualHosted"}},
            {"bucket": ARN, "s3": {"endpoint": null, "addressingStyle": "Path"}};
        RESPONSE_VALUE "response": {"response": {"contentType": "a b"}}, {"response": {"contentType": "a\rb"}};
        RENEWAL_ONE "renewal":
            {"renewal": {"beforePercentage": 80}}, {"renewal": {"beforePercentage": 80, "before": "1m"}};
        BEFORE_FORM "renewal.before": {"renewal": {"before": "1s"}}, {"renewal": {"before": "0m"}};
        SECRET_NAME "secret.name": {"secret": {"name": "a.b-c"}}, {"secret": {"name": "a_b"}};
        SECRET_KEY "secret.key": {"secret": {"key": ".A_b-"}}, {"secret": {"key": "..a"}};
        SECRET_KEY_TAKEN "secret.key": {"secret": {"key": "Method"}}, {"secret": {"key": "method"}};
        LABELS_OURS "secret.labels":
            {"secret": {"labels": {"presign.device/x": "y"}}}, {"secret": {"labels": {"presign.dev/x": "y"}}};
        LABELS_FORM "secret.labels":
            {"secret": {"labels": {"a.b/c_d": ""}}}, {"secret": {"labels": {"a": "b c"}}};
        ANNOTATIONS_OURS "secret.annotations":
            {"secret": {"annotations": {"app.kubernetes.io/name": "y"}}},
            {"secret": {"annotations": {"app.kubernetes.io/managed-by": "y"}}};
        ANNOTATIONS_FORM "secret.annotations":
            {"secret": {"annotations": {"A.b/c": "any ü\n"}}}, {"secret": {"annotations": {"a/b/c": ""}}};
        ENDPOINT_USERINFO "s3.endpoint":
            {"s3": {"endpoint": "https://a:1"}}, {"s3": {"endpoint": "https://u:p@a"}};
        ENDPOINT_QUERY "s3.endpoint": {"s3": {"endpoint": "https://a/q"}}, {"s3": {"endpoint": "https://a?q"}};
        ENDPOINT_FORM "s3.endpoint": {"s3": {"endpoint": "HTTP://A"}}, {"s3": {"endpoint": "ftp://a"}};
        REGION_ARN "s3.region":
            {"bucket": ARN, "s3": {"endpoint": null}},
            {"bucket": ARN, "s3": {"endpoint": null, "region": "us-east"}};
        REGION_BLANK "s3.region": {"s3": {"region": "auto"}}, {"s3": {"region": " \t"}};
        REGION_FORM "s3.region": {"s3": {"region": "A_b.c"}}, {"s3": {"region": "A_b.c", "endpoint": null}};
        CREDENTIALS_NAME "s3.credentialsSecretRef.name":
            {"s3": {"credentialsSecretRef": {"name": "a.b"}}}, {"s3": {"credentialsSecretRef": {"name": "A"}}};
        CREDENTIALS_BOTH "s3.credentialsSecretRef":
            {"s3": {"credentialsSecretRef": {"accessKeyIDKey": "a", "secretAccessKeyKey": "b"}}},
            {"s3": {"credentialsSecretRef": {"accessKeyIDKey": "a"}}};
        CREDENTIALS_KEYS "s3.credentialsSecretRef":
            {"s3": {"credentialsSecretRef": {"sessionTokenKey": "a.b_C-"}}},
            {"s3": {"credentialsSecretRef": {"sessionTokenKey": "a b"}}};
    }
}

#[test]
fn each_rule_is_obeyed_once_and_broken_once_with_its_sentence() {
    for (name, rule, field, good, bad) in rows() {
        assert!(parse(&good).is_ok(), "{name} {good}: {:?}", parse(&good));
        assert_eq!(parse(&bad), Err(InvalidSpec { field, message: rule.message }), "{name} {bad}");
    }
}

#[test]
fn no_rule_is_without_its_row() {
    let declared = include_str!("../../../crd/rules.rs").lines().filter_map(|line| {
        let name = line.strip_prefix("    ")?.split_once(", \"")?.0;
        name.chars().all(|c| c.is_ascii_uppercase() || c == '_').then_some(name)
    });
    let declared: BTreeSet<_> = declared.collect();
    assert_eq!(rows().map(|(name, ..)| name).into_iter().collect::<BTreeSet<_>>(), declared);
    assert_eq!(declared.len(), rows().len());
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
        (
            json!({"renewal": {"beforePercentage": 1}}),
            json!({"renewal": {"beforePercentage": 0}}),
            "renewal.beforePercentage",
        ),
        (
            json!({"renewal": {"beforePercentage": 80}}),
            json!({"renewal": {"beforePercentage": 81}}),
            "renewal.beforePercentage",
        ),
        (
            json!({"renewal": {"beforePercentage": 1}}),
            json!({"renewal": {"beforePercentage": -1}}),
            "renewal.beforePercentage",
        ),
        (json!({"expiresIn": "1m"}), json!({"expiresIn": "59s"}), "expiresIn"),
        (json!({"bucket": "a".repeat(255)}), json!({"bucket": "a".repeat(256)}), "bucket"),
        (json!({"s3": {"region": "a".repeat(64)}}), json!({"s3": {"region": "a".repeat(65)}}), "s3.region"),
        (json!({"headers": {"a": "b".repeat(2048)}}), json!({"headers": {"a": "b".repeat(2049)}}), "headers"),
    ] {
        assert!(parse(&good).is_ok(), "{good}");
        assert_eq!(parse(&bad).unwrap_err().field, field, "{bad}");
    }
}

#[test]
fn every_header_that_is_not_the_callers_to_set_is_refused() {
    for name in [
        "Host",
        "Authorization",
        "User-Agent",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "X-Amzn-Trace-Id",
        "x-amz-user-agent",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-content-sha256",
    ] {
        let refused = parse(&json!({"headers": {name: "1"}})).unwrap_err();
        assert_eq!(refused.message, rules::HEADER_REFUSED.message, "{name}");
        let lower = name.to_ascii_lowercase();
        assert!(rules::HEADER_REFUSED.cel.contains(&format!("'{lower}'")), "{name}");
    }
    let named = rules::HEADER_REFUSED.cel.matches("', '").count() + 1;
    assert_eq!(named, 18, "the schema refuses no more than these");
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
        "arn:aws-us-gov:s3:us-west:123456789012:accesspoint:abc",
    ] {
        let parsed = parse(&json!({"bucket": bucket, "s3": {"endpoint": null}}));
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
