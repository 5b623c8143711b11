//! Requests that people really make, and the slips that they really make.

use super::*;

/// What the refusal of a spec says, with its field.
fn refusal(patch: &Value) -> String {
    parse(patch).map_or_else(|refused| refused.to_string(), |_| "accepted".to_owned())
}

#[test]
fn parts_and_answers_of_heads_and_gets_and_buckets_of_tenants_are_asked_for() {
    for patch in [
        json!({"method": "HEAD", "response": {"contentType": "text/plain"}}),
        json!({"method": "HEAD", "query": {"partNumber": "2"}}),
        json!({"method": "GET", "query": {"partNumber": "2"}}),
        json!({"query": {"partNumber": "2"}, "versionID": "v"}),
        json!({"bucket": "tenant:reports"}),
        json!({"bucket": "team_7:Re.ports"}),
        json!({"key": "/a"}),
        json!({"key": "a//"}),
        json!({"key": "s3"}),
        json!({"key": "s3:/a"}),
        json!({"bucket": "media", "s3": {"endpoint": "https://media.example.com", "addressingStyle": "Path"}}),
        json!({"bucket": "media", "s3": {"endpoint": "https://mediathek.example.com"}}),
        json!({"s3": {"endpoint": null, "region": "eu-central-1"}}),
        json!({"s3": {"endpoint": null, "region": "us-gov-west-1"}}),
        json!({"s3": {"endpoint": null, "region": "eusc-de-east-1"}}),
        json!({"s3": {"endpoint": null, "region": "ap-southeast-17"}}),
        json!({"renewBefore": "50m"}),
        json!({"s3": {"addressingStyle": "VirtualHosted", "endpoint": "http://s3.localhost:9000"}}),
    ] {
        assert!(parse(&patch).is_ok(), "{patch}: {}", refusal(&patch));
    }
}

#[test]
fn a_slip_is_answered_with_what_to_write() {
    for (patch, field, advice) in [
        (json!({"bucket": "s3://reports"}), "bucket", "the name alone"),
        (json!({"bucket": "s3://reports", "s3": {"endpoint": null}}), "bucket", "the name alone"),
        (json!({"bucket": "tenant:reports", "s3": {"endpoint": null}}), "bucket", "s3.endpoint"),
        (json!({"bucket": "ten-ant:reports"}), "bucket", "tenant:bucket"),
        (json!({"key": "s3://reports/q3.pdf"}), "key", "the key alone"),
        (json!({"key": "S3A://reports/q3.pdf"}), "key", "the key alone"),
        (json!({"key": "/"}), "key", "slashes"),
        (json!({"key": "///", "method": "DELETE"}), "key", "slashes"),
        (
            json!({"bucket": "media", "s3": {"endpoint": "https://media.s3.example.com"}}),
            "s3.endpoint",
            "bucket",
        ),
        (
            json!({"bucket": "Me.dia", "s3": {"endpoint": "HTTP://ME.DIA.S3.example.com:9000/p", "addressingStyle": "Auto"}}),
            "s3.endpoint",
            "VirtualHosted",
        ),
        (json!({"headers": {"a": "1", "Host": "h", "TE": "t"}}), "headers", "remove host:"),
        (
            json!({"headers": {"x-amz-server-side-encryption-customer-key": "k"}}),
            "headers",
            "remove x-amz-server-side-encryption-customer-...:",
        ),
        (
            json!({"headers": {"X-Amz-Copy-Source-Server-Side-Encryption-Customer-Key": "k"}}),
            "headers",
            "encryption key",
        ),
        (json!({"headers": {"x-amz-server-side-encryption-customer-algorithm": "AES256"}}), "headers", "SSE"),
        (json!({"method": "PUT", "response": {"contentType": "a"}}), "response", "GET or HEAD"),
        (json!({"method": "DELETE", "query": {"partNumber": "1"}}), "query", "GET and HEAD"),
        (json!({"query": {"partNumber": "1", "uploadId": "u"}}), "query", "uploadId"),
        (json!({"s3": {"endpoint": null, "region": "us-west"}}), "s3.region", "not an AWS region"),
        (json!({"s3": {"endpoint": null, "region": "eu-central-1a"}}), "s3.region", "not an AWS region"),
        (json!({"s3": {"endpoint": null, "region": "auto"}}), "s3.region", "s3.endpoint"),
        (json!({"s3": {"endpoint": null, "region": "aws-global"}}), "s3.region", "region of the bucket"),
        (json!({"s3": {"endpoint": null, "region": "aws-cn-global"}}), "s3.region", "region of the bucket"),
        (json!({"expiresIn": "8d"}), "expiresIn", "the maximum is 168h (7 days)"),
        (json!({"expiresIn": "1w"}), "expiresIn", "the maximum is 168h (7 days)"),
        (json!({"expiresIn": "1d12h"}), "expiresIn", "24h for a day"),
        (json!({"expiresIn": "3600"}), "expiresIn", "write 1h"),
        (json!({"expiresIn": "+3600"}), "expiresIn", "write 1h"),
        (json!({"expiresIn": "1.5h"}), "expiresIn", "whole hours, minutes and seconds"),
        (json!({"renewBefore": "1d"}), "renewBefore", "24h for a day"),
        (json!({"renewBefore": "600"}), "renewBefore", "write 1h"),
        (json!({"renewBefore": "3001s"}), "renewBefore", "five sixths"),
        (json!({"renewBefore": "51m", "expiresIn": "1h1m"}), "renewBefore", "five sixths"),
        (
            json!({"s3": {"addressingStyle": "VirtualHosted", "endpoint": "http://localhost:9000"}}),
            "s3.addressingStyle",
            "use Path",
        ),
        (
            json!({"s3": {"addressingStyle": "VirtualHosted", "endpoint": "http://minio/p"}}),
            "s3.addressingStyle",
            "use Path",
        ),
    ] {
        let refused = refusal(&patch);
        assert!(
            refused.starts_with(&format!("spec.{field}: ")) && refused.contains(advice),
            "{patch}: {refused}"
        );
    }
}
