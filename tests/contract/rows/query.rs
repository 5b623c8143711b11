//! Rows about further signed parameters.

use crate::crd::rules::{QUERY_NAME, QUERY_PART, QUERY_PART_NUMBER, QUERY_VALUE};
use serde_json::{Value, json};

use super::{Row, entries, limit, rule};

fn named(name: &str) -> Value {
    json!({"query": {name: "v"}})
}

fn part(number: &str) -> Value {
    json!({"method": "PUT", "query": {"partNumber": number, "uploadId": "u"}})
}

pub fn rows() -> Vec<Row> {
    let (long, too_long) = (format!("x-{}", "n".repeat(126)), format!("x-{}", "n".repeat(127)));
    let both = json!({"partNumber": "1", "uploadId": "u"});
    [
        rule(
            QUERY_NAME,
            &["x-a", "x-A.b_c~d-1", "x-idea", "x-amz", &long].map(named),
            &[
                "acl",
                "X-a",
                "x-",
                "x-id",
                "x-ID",
                "x-amz-a",
                "x-Amz-a",
                "x-a b",
                "",
                "partnumber",
                "x-ü",
                "response-content-type",
                "versionId",
                "X-Amz-Signature",
                "x-a&b",
                "x-a=b",
                "x-a\n",
                &too_long,
            ]
            .map(named),
        ),
        rule(
            QUERY_PART,
            &[
                part("1"),
                json!({"method": "PUT", "query": {}}),
                json!({"query": {"partNumber": "1"}}),
                json!({"method": "GET", "query": {"partNumber": "10000"}, "versionID": "v"}),
                json!({"method": "HEAD", "query": {"partNumber": "2", "x-a": "b"}}),
            ],
            &[
                json!({"query": {"uploadId": "u"}}),
                json!({"method": "HEAD", "query": {"uploadId": "u"}}),
                json!({"method": "DELETE", "query": {"partNumber": "1"}}),
                json!({"method": "DELETE", "query": {"uploadId": "u"}}),
                json!({"method": "DELETE", "query": both}),
                json!({"method": "PUT", "query": {"partNumber": "1"}}),
                json!({"method": "PUT", "query": {"uploadId": "u"}}),
                json!({"query": both}),
                json!({"method": "GET", "query": both}),
                json!({"method": "HEAD", "query": both}),
            ],
        ),
        rule(
            QUERY_PART_NUMBER,
            &[["1", "9999", "10000"].map(part).to_vec(), vec![json!({"query": {"partNumber": "10000"}})]]
                .concat(),
            &[
                "0",
                "10001",
                "01",
                "",
                "+1",
                "-1",
                "1.0",
                "1 ",
                "99999",
                "100000",
                "１",
                "99999999999999999999",
            ]
            .map(part),
        ),
        rule(
            QUERY_VALUE,
            &[json!({"query": {"x-a": ""}}), json!({"query": {"x-a": "ü &=+%"}})],
            &[
                json!({"query": {"x-a": "a\nb"}}),
                json!({"query": {"x-a": "\u{80}"}}),
                json!({"method": "PUT", "query": {"partNumber": "1", "uploadId": ""}}),
            ],
        ),
        limit(
            &[json!({"query": entries(16)}), json!({"query": {"x-a": "ü".repeat(1024)}})],
            &[json!({"query": entries(17)}), json!({"query": {"x-a": "v".repeat(1025)}})],
        ),
    ]
    .concat()
}
