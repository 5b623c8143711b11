//! Rows about sessions: the STS, how long they last, and the store that they are for.

use crate::crd::credentials_rules::{
    AWS_ENDPOINT, AWS_FIPS, CA_FORM, CHAIN_HOUR, SESSION_DURATION, STS_FORM, STS_NEEDED, STS_REGION,
};
use serde_json::{Value, json};

use super::credentials::{STS, assumed, chained, elsewhere, identity, instead, web, without_sts};
use super::store::ENDPOINT;
use super::{Row, at, each, limit, rule};

pub fn rows() -> Vec<Row> {
    [sessions(), times(), stores(), schema()].concat()
}

fn sessions() -> Vec<Row> {
    let sts = |endpoint: &str| assumed(&json!({"session": {"sts": {"endpoint": endpoint}}}));
    let region = |region: &str| assumed(&json!({"session": {"sts": {"region": region}}}));
    let session = |session: Value| without_sts(assumed(&json!({"session": session})));
    let path = |length: usize| format!("https://h.example/{}", "p".repeat(length));
    [
        rule(
            STS_NEEDED,
            &[
                web(&json!({})),
                elsewhere(web(&json!({}))),
                elsewhere(assumed(&json!({}))),
                without_sts(json!({"s3": {}})),
            ],
            &[
                vec![without_sts(web(&json!({}))), without_sts(assumed(&json!({})))],
                [json!({}), json!({"duration": "1h"}), json!({"sts": {}}), json!({"sts": {"region": "a"}})]
                    .map(session)
                    .to_vec(),
            ]
            .concat(),
        ),
        rule(STS_FORM, &STS_ADDRESSES.map(sts), &NO_STS_ADDRESSES.map(sts)),
        limit(&[sts(&path(1006))], &["", "http://", &path(1007)].map(sts)),
        rule(
            STS_REGION,
            &["eu-central-1", "a", "1", "auto", &"r".repeat(64)].map(region),
            &["A", "-a", "a-", "a_b", "a.b", "ü", "a b", "a\n"].map(region),
        ),
        limit(&[], &["", &"r".repeat(65)].map(region)),
    ]
    .concat()
}

const STS_ADDRESSES: [&str; 11] = [
    STS,
    "http://a",
    "http://minio:9000",
    "https://sts.store.example:8443/",
    "https://my_sts.ns:00443//",
    "https://h.example/tenant-1/Sts.v1/~a_b",
    "http://a:65535",
    "http://192.0.2.1:8333",
    "https://[2001:db8::7]:8333/sts",
    "http://1.2.3.4.example",
    "http://0xyz",
];

const NO_STS_ADDRESSES: [&str; 30] = [
    "sts.store.example",
    "ftp://h.example",
    "HTTPS://h.example",
    "https://H.example",
    "https://[2001:DB8::7]",
    "https:///sts",
    "https://h.example?a",
    "https://h.example/#a",
    "https://u:p@h.example",
    "https://h.example:0",
    "https://h.example:65536",
    "https://h.example:99999",
    "https://h.example:",
    "https://h.example:a",
    "https://h.example.",
    "https://h..example",
    "https://-h.example",
    "https://h example",
    "https://hé.example",
    "https://h.example\n",
    "https://h.example/a//b",
    "https://h.example/..",
    "https://h.example/a/./b",
    "https://h.example/%20",
    "https://[::1",
    "https://[zz::1]",
    "https://[::ffff:102:304]",
    "http://192.0.2.256",
    "http://0x7f000001",
    "http://h.example.1",
];

fn times() -> Vec<Row> {
    let lasting = |duration: &str| assumed(&json!({"session": {"duration": duration}}));
    let chained = |duration: &str| chained(&json!({"session": {"duration": duration}}));
    let of_account = |duration: &str| {
        instead(&json!({"webIdentity": identity(&json!({})), "session": {"duration": duration}}))
    };
    [
        rule(
            SESSION_DURATION,
            &["15m", "900s", "1h30m", "12h", "43200s", "000012h", "11h60m"].map(lasting),
            &[
                "14m",
                "899s",
                "0s",
                "12h1s",
                "13h",
                "721m",
                "1000h",
                "999999h999999h",
                "1d",
                "60",
                "1.5h",
                "-1h",
                "+1h",
                " 1h",
                "1h\n",
                "1000000s",
                "1H",
            ]
            .map(lasting),
        ),
        limit(
            &[lasting(&format!("1h{}", "0s".repeat(15)))],
            &["", "h", &format!("1h{}", "0s".repeat(16))].map(lasting),
        ),
        rule(
            CHAIN_HOUR,
            &[
                ["15m", "1h", "60m", "3600s"].map(chained).to_vec(),
                vec![elsewhere(chained("12h")), lasting("12h"), of_account("12h")],
            ]
            .concat(),
            &["61m", "1h1s", "3601s", "12h"].map(chained),
        ),
    ]
    .concat()
}

fn stores() -> Vec<Row> {
    let options = [
        json!({}),
        json!({"dualStack": true}),
        json!({"fips": true}),
        json!({"dualStack": true, "fips": true}),
        json!({"dualStack": false, "fips": false}),
    ];
    let of_aws = options.clone().map(|options| json!({"s3": {"aws": options}}));
    let behind = options.map(|options| json!({"s3": {"aws": options, "endpoint": ENDPOINT}}));
    let in_region = |region: &str, options: Value| json!({"s3": {"region": region, "aws": options}});
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let bundle = |text: &str| at("s3.caBundle", json!(text));
    let padded = |length: usize| format!("{certificate}{}", "#".repeat(length - certificate.len()));
    [
        rule(AWS_ENDPOINT, &of_aws, &behind),
        rule(
            AWS_FIPS,
            &[
                in_region("us-gov-west-1", json!({"fips": true, "dualStack": true})),
                in_region("cn-north-1", json!({"fips": false, "dualStack": true})),
                in_region("cn-north-1", json!({})),
            ],
            &["cn-north-1", "cn-northwest-1"].map(|region| in_region(region, json!({"fips": true}))),
        ),
        rule(
            CA_FORM,
            &[certificate, &certificate.repeat(3), &padded(16_384)].map(bundle),
            &["MIIB", "-----BEGIN PRIVATE KEY-----\nMIIB", "-----begin certificate-----"].map(bundle),
        ),
        limit(&[], &["", &padded(16_385)].map(bundle)),
    ]
    .concat()
}

/// What the schema alone limits.
fn schema() -> Vec<Row> {
    let session = |session: Value| assumed(&json!({"session": session}));
    [
        limit(&[], &each("s3.aws.dualStack", ["true", ""])),
        limit(&[], &[at("s3.aws.fips", json!(1)), at("s3.aws", json!(true)), at("s3.caBundle", json!(1))]),
        limit(&[], &["nothing", "Objects", ""].map(|to| session(json!({"narrowTo": to})))),
        limit(&[], &[session(json!("1h")), session(json!({"duration": 3600})), session(json!({"sts": STS}))]),
    ]
    .concat()
}
