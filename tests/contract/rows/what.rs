//! Rows about what is signed for: bucket, key, method, version.

use crate::crd::rules::{
    BUCKET_AWS, BUCKET_ENDPOINT, BUCKET_EXPRESS, BUCKET_SCHEME, KEY_BYTES, KEY_CONTROL, KEY_DOTS, KEY_SCHEME,
    KEY_SLASHES, VERSION_CONTROL, VERSION_METHOD,
};
use serde_json::{Value, json};

use super::store::ENDPOINT;
use super::{Row, at, each, limit, rule};

pub const ACCESS_POINT: &str = "arn:aws:s3:us-west-2:123456789012:accesspoint/my-point";

pub fn rows() -> Vec<Row> {
    [buckets(), limits(), keys(), versions()].concat()
}

fn buckets() -> Vec<Row> {
    let behind = |bucket: &str| json!({"bucket": bucket, "s3": {"endpoint": ENDPOINT}});
    let named =
        |name: String| at("bucket", json!(format!("arn:aws:s3:us-west-2:123456789012:accesspoint:{name}")));
    let (long, too_long) = ("a".repeat(63), "a".repeat(64));
    let aws = each("bucket", ["abc", "a.b-c", "1a.2b", "1.2.3.4.5", "999.1.1", "xn-a", ACCESS_POINT, &long]);
    let arns = [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")].map(|(partition, region)| {
        let arn = format!("arn:{partition}:s3:{region}:123456789012:accesspoint/ab1");
        json!({"bucket": arn, "s3": {"region": region}})
    });
    let broken = each(
        "bucket",
        [
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            ".ab",
            "ab.",
            "a..b",
            "xn--abc",
            "192.168.5.4",
            "999.999.999.999",
            "a b",
            "bücket",
            "abc\n",
            "a/b",
            &too_long,
        ],
    );
    let bad_arns = each(
        "bucket",
        [
            "arn:",
            "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
            "arn:aws:s3:us-west-2:12345678901:accesspoint/point",
            "arn:aws:s3-outposts:us-west:123456789012:accesspoint/point",
            "arn:aws:s3:us-west-2:123456789012:bucket/point",
            "arn:aws:s3:us-west-2:123456789012:accesspoint/po.int",
            "arn:aws:s3:us-west-2:123456789012:accesspoint/point/object",
            "arn:aws-:s3:us-west:123456789012:accesspoint/point",
            "arn:aws:s3:us-west-2:123456789012:accesspoint/xn--a",
            "arn:aws:s3:us-west-2:123456789012:accesspoint:xn--point",
            "arn:aws:s3:us-west-2:123456789012:accesspoint",
        ],
    );
    let bad_names = ["ab".to_owned(), "a".repeat(51), "-abc".to_owned(), "abc-".to_owned()].map(named);
    let good_names = ["abc".to_owned(), "a".repeat(50)].map(named);
    let (wide, of_tenant) = ("b".repeat(255), format!("tenant:{}", "b".repeat(248)));
    [
        rule(
            BUCKET_EXPRESS,
            &[at("bucket", json!("reports--x-s3-a")), behind("reports--x-s4"), at("bucket", json!("x-s3"))],
            &[at("bucket", json!("reports--x-s3")), behind("reports--x-s3")],
        ),
        rule(
            BUCKET_AWS,
            &[aws, arns.to_vec(), good_names.to_vec()].concat(),
            &[broken, bad_arns, bad_names.to_vec()].concat(),
        ),
        rule(
            BUCKET_SCHEME,
            &[at("bucket", json!("s3-reports")), behind("s3.reports"), behind("s3:reports")],
            &[
                each("bucket", ["s3://reports", "S3://Reports/key", "https://reports", "://"]),
                ["s3://reports", "s3a://reports/key"].map(behind).to_vec(),
            ]
            .concat(),
        ),
        rule(
            BUCKET_ENDPOINT,
            &["abc", "A_B.c-d", "-_.", "192.168.5.4", "xn--abc", &wide, "tenant:abc", "1_T:A.b", &of_tenant]
                .map(behind),
            &[
                "a..b",
                "a/b",
                "a b",
                "bücket",
                "abc\n",
                "abc:",
                ":abc",
                "t:ab",
                "t-t:abc",
                "t.t:abc",
                "t:u:abc",
                "t:a..b",
                "té:abc",
                "t:abc\n",
                ACCESS_POINT,
            ]
            .map(behind),
        ),
        limit(&[], &["ab", "", "a", &"b".repeat(256), &format!("t:{}", "b".repeat(254))].map(behind)),
    ]
    .concat()
}

fn limits() -> Vec<Row> {
    let absent = [
        json!({"bucket": null}),
        json!({"key": null}),
        json!({"s3": {"region": null}}),
        json!({"s3": {"credentials": null}}),
        json!({"s3": {"credentials": {"secretRef": {"name": null}}}}),
    ];
    let other_types = [
        json!({"bucket": ["reports"]}),
        json!({"key": 1}),
        json!({"suspend": "true"}),
        json!({"podRefresh": true}),
        json!({"podRefresh": {}}),
        json!({"headers": [{"name": "a", "value": "b"}]}),
        json!({"headers": {"a": 1}}),
        json!({"expiresIn": 3600}),
        json!({"s3": "https://us-west.s3.qencode.com"}),
    ];
    let switches = [true, false].map(|on| json!({"suspend": on}));
    let refreshes =
        limit(&each("podRefresh", ["Kubelet", "Annotate"]), &each("podRefresh", ["annotate", "Restart", ""]));
    let verify = limit(
        &each("verify", ["None", "Once", "Always"]),
        &[each("verify", ["once", "Never", ""]), vec![json!({"verify": true})]].concat(),
    );
    [limit(&[json!({})], &absent), limit(&switches, &other_types), refreshes, verify].concat()
}

fn keys() -> Vec<Row> {
    let wide = |letters: usize, more: &str| at("key", json!(format!("{}{more}", "é".repeat(letters))));
    [
        rule(
            KEY_BYTES,
            &[wide(512, ""), at("key", json!("a".repeat(1024))), at("key", json!("😀".repeat(256)))],
            &[wide(512, "a"), at("key", json!("😀".repeat(257)))],
        ),
        rule(
            KEY_CONTROL,
            &each("key", ["a b\u{a0}ü", "\u{200b}", "\u{feff}", "\u{2028}", " ", "a?b#c%20&d=+\\"]),
            &each("key", ["a\nb", "\t", "a\r", "\u{7f}", "\u{85}", "\u{0}", "\u{1b}[0m"]),
        ),
        rule(
            KEY_DOTS,
            &each("key", ["...", "a/.../b", ".a", "a./b", "a//b", "/a", "a/", "a/.b/..c", "%2e%2e/a"]),
            &each("key", [".", "..", "./a", "../a", "a/.", "a/..", "a/./b", "a/../b", "/..", "../"]),
        ),
        rule(
            KEY_SCHEME,
            &each("key", ["s3", "s3:/a", "s3/a", "a/s3://b", "s3x://a", "http://a", "s3s://a"]),
            &each("key", ["s3://", "s3://reports/a", "S3://a", "s3a://a/b", "S3N://a"]),
        ),
        rule(
            KEY_SLASHES,
            &each("key", ["/a", "a/", "//a//", "/ /", "/%2F"]),
            &[each("key", ["/", "//", "////"]), vec![json!({"key": "/", "method": "DELETE"})]].concat(),
        ),
        limit(&[], &[at("key", json!("")), at("key", json!("a".repeat(1025)))]),
    ]
    .concat()
}

fn versions() -> Vec<Row> {
    let with = |method: &str| json!({"versionID": "3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY", "method": method});
    let no_methods: Vec<Value> = each("method", ["get", "PATCH", "post", "", "GET "]);
    [
        rule(
            VERSION_METHOD,
            &[with("GET"), with("HEAD"), with("DELETE"), at("versionID", json!("null"))],
            &[with("PUT")],
        ),
        rule(VERSION_CONTROL, &each("versionID", ["ü b"]), &each("versionID", ["a\n", "\u{7f}", "\u{9f}"])),
        limit(
            &[at("versionID", json!("v".repeat(1024)))],
            &[at("versionID", json!("")), at("versionID", json!("v".repeat(1025)))],
        ),
        limit(&each("method", ["GET", "HEAD", "PUT", "DELETE"]), &no_methods),
    ]
    .concat()
}
