//! Rows about the store: its address, its region, and where the bucket stands.

use crate::crd::rules::{
    AWS_AREAS, ENDPOINT_BUCKET, ENDPOINT_FORM, ENDPOINT_QUERY, ENDPOINT_USERINFO, REGION_ARN, REGION_AWS,
    REGION_BLANK, REGION_FORM, REGION_GLOBAL, STYLE_ARN, STYLE_BUCKET, STYLE_ENDPOINT, STYLE_HOST,
};
use serde_json::{Value, json};

use super::what::ACCESS_POINT;
use super::{Row, at, each, limit, rule};

/// A store that is not AWS.
pub const ENDPOINT: &str = "https://us-west.s3.qencode.com";

/// One of each partition of AWS and some whose names are unlike the others, from the partition
/// table of aws-sdk-s3.
const AWS_REGIONS: [&str; 14] = [
    "us-east-1",
    "ap-northeast-3",
    "ap-southeast-7",
    "ca-west-1",
    "il-central-1",
    "me-central-1",
    "mx-central-1",
    "cn-northwest-1",
    "us-gov-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isof-south-1",
    "eu-isoe-west-1",
    "eusc-de-east-1",
];

pub fn rows() -> Vec<Row> {
    let path = "s3.unsignedHeaders";
    let headers = limit(&each(path, ["Refused", "Honoured"]), &each(path, ["refused", "Ignored", ""]));
    [endpoints(), twice(), regions(), styles(), headers].concat()
}

fn endpoints() -> Vec<Row> {
    let path = "s3.endpoint";
    let good = [
        ENDPOINT,
        "HTTPS://US-WEST.s3.qencode.com:443/",
        "http://minio:9000",
        "http://my_minio.ns:9000//",
        "http://a:1",
        "http://a:65535",
        "http://a:00080/",
        "http://192.0.2.1:9000",
        "http://255.255.255.255",
        "https://[2001:db8::7]:9000/s3",
        "https://[::]",
        "https://p.supabase.co/storage/v1/s3/",
        "https://h.example/a.b/~c_d-e/",
        "http://1a.2b",
        "http://0xyz",
        "http://1.2.3.4.example",
    ];
    let bad = [
        "us-west.s3.qencode.com",
        "//us-west.s3.qencode.com",
        "ftp://h.example",
        "https:/h.example",
        "https//h.example",
        " https://h.example",
        "https://h.example ",
        "https://h.example\n",
        "https:///path",
        "https://:9000",
        "https://h.example:0",
        "https://h.example:00",
        "https://h.example:65536",
        "https://h.example:99999",
        "https://h.example:100000",
        "https://h.example:",
        "https://h.example:x",
        "https://h.example:+80",
        "https://h.example:80:81",
        "https://h example",
        "https://-h.example",
        "https://h.example.",
        "https://.h.example",
        "https://h..example",
        "https://hé.example",
        "https://h.example/a b",
        "https://h.example/a//b",
        "https://h.example/../b",
        "https://h.example/a/.",
        "https://h.example/a..b",
        "https://h.example/%20",
        "https://h.example/a@b",
        "foo@example",
        "https://[::1",
        "https://::1]",
        "https://[zz::1]",
        "https://[:::]",
        "https://[1.2.3.4]",
        "https://[::ffff:1.2.3.4]",
        "https://[1:2:3:4:5:6:7]",
        "https://[fe80::1%25eth0]",
        "https://[::1]a",
        "http://192.0.2.256",
        "http://192.0.2",
        "http://010.0.0.1",
        "http://2130706433",
        "http://0x7f000001:9000",
        "http://h.example.1",
        "http://h.0x",
    ];
    let userinfo = [
        "https://u@h.example",
        "https://u:p@h.example:9000/x",
        "https://@h.example",
        "https://u@v@h.example",
        "ftp://u:p@h.example",
    ];
    let query =
        ["https://h.example?x", "https://h.example/#f", "https://h.example/?", "https://u:p@h.example?a=b"];
    [
        rule(ENDPOINT_USERINFO, &each(path, [ENDPOINT]), &each(path, userinfo)),
        rule(ENDPOINT_QUERY, &each(path, [ENDPOINT]), &each(path, query)),
        rule(ENDPOINT_FORM, &each(path, good), &each(path, bad)),
        limit(
            &[at(path, json!(format!("https://h.example/{}", "p".repeat(1006))))],
            &[at(path, json!("")), at(path, json!(format!("https://h.example/{}", "p".repeat(1007))))],
        ),
    ]
    .concat()
}

/// Endpoints that name the bucket, which is put behind the host.
fn twice() -> Vec<Row> {
    let at = |bucket: &str, endpoint: &str| json!({"bucket": bucket, "s3": {"endpoint": endpoint}});
    let styled =
        |style: &str, endpoint: &str| json!({"s3": {"endpoint": endpoint, "addressingStyle": style}});
    rule(
        ENDPOINT_BUCKET,
        &[
            at("reports", "https://reports"),
            at("reports", "https://reportss.example"),
            at("reports", "https://s3.reports.example/reports.a"),
            at("reports", "https://h.example/reports.example"),
            at("192", "http://192.0.2.1:9000"),
            at("192.0", "http://192.0.2.1/"),
            styled("Path", "https://reports.example"),
            styled("VirtualHosted", "https://reports.example"),
            styled("BucketEndpoint", "https://reports.example"),
            at("a.b", "https://xa.b:443/a.b"),
            at("192.0.2.1", "http://192.0.2.1/"),
        ],
        &[
            at("reports", "https://reports.s3.us-west-2.amazonaws.com"),
            at("reports", "HTTP://Reports.example:9000/p"),
            at("REPORTS", "https://reports.example"),
            at("a.b", "https://a.b.example"),
            at("a.b", "https://A.b"),
            at("a.b", "https://a.b:8443/p"),
            at("192", "http://192.0.2.example"),
            styled("Auto", "https://reports.s3.example"),
        ],
    )
}

fn regions() -> Vec<Row> {
    let path = "s3.region";
    let behind = |region: &str| json!({"s3": {"region": region, "endpoint": ENDPOINT}});
    let hosted = |region: &str| json!({"s3": {"region": region, "endpoint": ENDPOINT, "addressingStyle": "VirtualHosted"}});
    let blank = ["", " ", "\t\n", "\u{b}", "\u{a0}", "\u{85}", "\u{2003}", "\u{3000}"];
    let of = |bucket: &str, region: &str| json!({"bucket": bucket, "s3": {"region": region}});
    [
        rule(
            REGION_ARN,
            &[of(ACCESS_POINT, "us-west-2"), of("reports", "eu-central-1")],
            &[of(ACCESS_POINT, "us-west-1"), of(ACCESS_POINT, "eu-central-1")],
        ),
        rule(
            REGION_BLANK,
            &each(path, ["us-west-2"]),
            &[each(path, blank), blank.map(behind).to_vec()].concat(),
        ),
        rule(
            REGION_FORM,
            &[
                each(path, ["eu-central-1"]),
                ["auto", "Us_West.1", "-", "..."].map(behind).to_vec(),
                ["auto", "Us-1-"].map(hosted).to_vec(),
            ]
            .concat(),
            &[
                each(
                    path,
                    [
                        "Us-West", "xn--a", "us_west", "us.west", "-a", "a-", "us west", " us", "us\n", "ü",
                        "us/west",
                    ],
                ),
                vec![at(path, json!("r".repeat(64)))],
                ["us west", "us\n", " us", "ü", "us/west", "\u{200b}"].map(behind).to_vec(),
                ["us_west", "us.west", "-us"].map(hosted).to_vec(),
                vec![hosted(&"r".repeat(64))],
            ]
            .concat(),
        ),
        rule(
            REGION_GLOBAL,
            &["aws-cn-global", "aws-globally", "AWS-global"].map(behind),
            &[
                each(path, ["aws-global", "aws-cn-global", "aws-us-gov-global", "aws-iso-b-global"]),
                vec![behind("aws-global"), hosted("aws-global")],
            ]
            .concat(),
        ),
        rule(
            REGION_AWS,
            &[
                AWS_AREAS.iter().map(|area| at(path, json!(format!("{area}-south-1")))).collect(),
                each(path, AWS_REGIONS),
                ["us-west", "auto"].map(behind).to_vec(),
            ]
            .concat(),
            &[
                each(
                    path,
                    [
                        "us-west",
                        "eu",
                        "a",
                        "1",
                        "auto",
                        "us-east-1a",
                        "eu-central",
                        "xx-east-1",
                        "us--1",
                        "us-1",
                        "eu-central-1-b",
                        "global",
                        "aws--global",
                        "aws-global-1",
                        "de-fra-1",
                    ],
                ),
                vec![at(path, json!("r".repeat(63)))],
            ]
            .concat(),
        ),
        limit(
            &[at(path, json!(format!("us-{}-1", "r".repeat(58)))), behind(&"R".repeat(64))],
            &[at(path, json!("r".repeat(65))), behind(&"R".repeat(65))],
        ),
    ]
    .concat()
}

fn styles() -> Vec<Row> {
    let hosted = |bucket: &str, endpoint: Option<&str>| -> Value {
        json!({"bucket": bucket, "s3": {"addressingStyle": "VirtualHosted", "endpoint": endpoint}})
    };
    let hosts = |endpoint: &str| json!({"s3": {"addressingStyle": "VirtualHosted", "endpoint": endpoint}});
    let over = |scheme: &str, bucket: &str| hosted(bucket, Some(&format!("{scheme}://h.example")));
    let own = |bucket: &str, endpoint: &str| json!({"bucket": bucket, "s3": {"addressingStyle": "BucketEndpoint", "endpoint": endpoint}});
    let own_host =
        |endpoint: &str| json!({"s3": {"addressingStyle": "BucketEndpoint", "endpoint": endpoint}});
    let styled = |bucket: &str, style: &str| json!({"bucket": bucket, "s3": {"addressingStyle": style}});
    let (long, too_long) = ("a".repeat(63), "a".repeat(64));
    [
        rule(
            STYLE_HOST,
            &["https://h.example", "https://1.2.3.4.example", "http://s3.localhost:9000/p", "http://4.2.1.a"]
                .map(hosts),
            &[
                "http://localhost:9000/p",
                "http://localhost",
                "https://minio",
                "HTTP://Minio/",
                "http://minio:9000",
                "http://minio/a.b",
                "https://192.0.2.1",
                "http://192.0.2.1:9000/p",
                "HTTP://192.0.2.1/",
                "https://[2001:db8::1]",
                "http://[::1]:9000",
            ]
            .map(hosts),
        ),
        rule(
            STYLE_BUCKET,
            &[
                hosted("reports", None),
                hosted(ACCESS_POINT, None),
                over("https", "a-1"),
                over("https", &long),
                over("http", "abc.d-e.123"),
                over("HTTP", "192.168.100.100"),
            ],
            &[
                hosted("a.b", None),
                over("https", "a.b"),
                over("http", "abc.-def"),
                over("http", "abc.de"),
                over("http", "a.b.c"),
                over("http", ".ab"),
                over("https", "Reports"),
                over("http", "Reports"),
                over("https", "a_b"),
                over("https", "-ab"),
                over("https", "ab-"),
                over("https", &too_long),
                over("http", &too_long),
            ],
        ),
        rule(
            STYLE_ARN,
            &[styled(ACCESS_POINT, "Auto"), styled("reports", "Path"), styled("a.b", "Path")],
            &[styled(ACCESS_POINT, "Path")],
        ),
        rule(
            STYLE_ENDPOINT,
            &[
                own_host("https://files.example"),
                own_host("http://192.0.2.1:9000/p"),
                own("t:reports", "http://minio"),
                own("media", "https://media.example.com"),
                own("media.example.com", "https://media.example.com:443/"),
            ],
            &each("s3.addressingStyle", ["BucketEndpoint"]),
        ),
        limit(&[], &each("s3.addressingStyle", ["path", "virtual", "", "auto"])),
    ]
    .concat()
}
