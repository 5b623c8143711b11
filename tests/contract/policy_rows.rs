//! The rows of signers about their policy.

use presign_operator::crd::signer_rules::{
    RULE_CAP, RULE_HEADERS, RULE_KEYS, RULE_NAMES, RULE_PREFIXES, RULE_VARIABLES,
};
use serde_json::{Value, json};

use super::rows::{Row, at, each, limit, rule};
use super::signer_rows::{NO_NAMESPACES, allowing, numbered};

pub fn rows() -> Vec<Row> {
    [policies(), keys(), conditions(), lists(), limits()].concat()
}

/// A change of the policy, whose only rule has these changes.
fn ruled(changes: &Value) -> Value {
    json!({"policy": {"rules": [allowing(changes)]}})
}

/// A list with this many different prefixes.
fn prefixes(count: usize) -> Value {
    (0..count).map(|n| format!("n-{n}/")).collect()
}

fn policies() -> Vec<Row> {
    let policy = |policy: Value| json!({"policy": policy});
    let rules = |names: &[&str]| -> Value {
        let rules: Vec<Value> = names.iter().map(|name| allowing(&json!({"name": name}))).collect();
        json!({"policy": {"rules": rules}})
    };
    let many = |count: usize| -> Value {
        let rules: Vec<Value> = (0..count).map(|n| allowing(&json!({"name": format!("n-{n}")}))).collect();
        json!({"policy": {"rules": rules}})
    };
    [
        rule(
            RULE_NAMES,
            &[rules(&["a", "b"]), rules(&["downloads", "downloads-2"])],
            &[rules(&["a", "a"]), rules(&["a", "b", "c", "b"])],
        ),
        limit(
            &[
                each("policy.enforcement", ["Enforce", "Audit"]),
                each("policy.whenDenied", ["Keep", "Withdraw"]),
                vec![many(32)],
            ]
            .concat(),
            &[
                each("policy.enforcement", ["enforce", "Warn", ""]),
                each("policy.whenDenied", ["keep", "Delete", ""]),
                vec![many(33), rules(&[]), policy(json!({"rules": null})), policy(json!([]))],
            ]
            .concat(),
        ),
    ]
    .concat()
}

fn keys() -> Vec<Row> {
    let prefixed = |prefix: &str| ruled(&json!({"keyPrefixes": [prefix]}));
    let keyed = |key: &str| ruled(&json!({"keyPrefixes": null, "keys": [key]}));
    let longest = format!("{}/", "a".repeat(1023));
    [
        rule(
            RULE_KEYS,
            &[json!({}), keyed("a")],
            &[ruled(&json!({"keyPrefixes": null})), ruled(&json!({"keys": ["a"]}))],
        ),
        rule(
            RULE_PREFIXES,
            &[
                "a/",
                "{namespace}/",
                "{name}/",
                "tenants/{namespace}/{name}/",
                ".../",
                ".a/b./..c/",
                "a b/ü/%2e/",
                &longest,
            ]
            .map(prefixed),
            &[
                [
                    "a",
                    "/",
                    "/a/",
                    "a//",
                    "a//b/",
                    "./",
                    "../",
                    "a/./",
                    "a/../b/",
                    "{namespace}",
                    "a/{namespace}",
                    "{namespace}x/",
                    "x{name}/",
                    "{namespace}{name}/",
                    "{tenant}/",
                    "{Name}/",
                    "{}/",
                    "{/",
                    "a}/",
                    "{{name}}/",
                ]
                .map(prefixed)
                .to_vec(),
                vec![ruled(&json!({"keyPrefixes": ["a/", "b"]}))],
            ]
            .concat(),
        ),
        rule(
            RULE_VARIABLES,
            &[
                "a",
                "a/b",
                "{namespace}",
                "{namespace}/{name}",
                "reports/{namespace}/daily.csv",
                "...",
                ".a/b.",
            ]
            .map(keyed),
            &[
                [
                    "/",
                    "/a",
                    "a/",
                    "a//b",
                    ".",
                    "..",
                    "a/..",
                    "../a",
                    "a/./b",
                    "{name}.csv",
                    "{namespace}{name}",
                    "{tenant}",
                    "{",
                    "a}",
                    "{}",
                ]
                .map(keyed)
                .to_vec(),
                vec![ruled(&json!({"keyPrefixes": null, "keys": ["a", "b/"]}))],
            ]
            .concat(),
        ),
        limit(&[], &["", &"a".repeat(1025)].map(keyed)),
        limit(&[], &["", &format!("{}/", "a".repeat(1024))].map(prefixed)),
    ]
    .concat()
}

/// Rows about the lifetime and the headers that a rule allows.
fn conditions() -> Vec<Row> {
    let capped = |cap: &str| ruled(&json!({"maxExpiresIn": cap}));
    let headed = |name: &str| ruled(&json!({"allowHeaders": [name]}));
    [
        rule(
            RULE_CAP,
            &["1m", "60s", "6h", "1h30m", "168h", "604800s", "000168h"].map(capped),
            &[
                "59s",
                "0s",
                "169h",
                "604801s",
                "168h1s",
                "1000h",
                "999999h999999h999999h",
                "1d",
                "60",
                "1.5h",
                " 1h",
                "1h\n",
                "1000000s",
            ]
            .map(capped),
        ),
        limit(
            &[capped(&format!("1h{}", "0s".repeat(15)))],
            &["", "h", &format!("1h{}", "0s".repeat(16))].map(capped),
        ),
        rule(
            RULE_HEADERS,
            &["Content-Type", "x-amz-meta-*", "a*", "_.~!#$%&+^|-", &"n".repeat(128)].map(headed),
            &["*", "**", "a**", "*a", "a*b", "a b", "a:b", "ü", "a\n"].map(headed),
        ),
        limit(&[], &["", &"n".repeat(129)].map(headed)),
    ]
    .concat()
}

/// The lists of a rule: at least one entry, at most so many, each once.
fn lists() -> Vec<Row> {
    let list = |field: &str, entries: Value| ruled(&json!({"keyPrefixes": ["a/"], field: entries}));
    let keyed = |keys: Value| ruled(&json!({"keyPrefixes": null, "keys": keys}));
    let required =
        |count: usize| -> Value { (0..count).map(|n| json!({"name": format!("x-{n}")})).collect() };
    let methods = |methods: &[&str]| list("methods", json!(methods));
    let largest = [
        list("namespaces", numbered(256)),
        list("buckets", numbered(64)),
        list("keyPrefixes", prefixes(32)),
        keyed(numbered(32)),
        list("allowHeaders", numbered(64)),
        list("requireHeaders", required(16)),
        methods(&["GET", "HEAD", "PUT", "DELETE", "POST"]),
    ];
    let too_large = [
        list("namespaces", numbered(257)),
        list("buckets", numbered(65)),
        list("keyPrefixes", prefixes(33)),
        keyed(numbered(33)),
        list("allowHeaders", numbered(65)),
        list("requireHeaders", required(17)),
        methods(&["GET"; 9]),
    ];
    let empty = ["namespaces", "methods", "buckets", "keyPrefixes", "allowHeaders", "requireHeaders"]
        .map(|field| list(field, json!([])));
    let twice = [
        list("namespaces", json!(["team-a", "team-a"])),
        list("buckets", json!(["reports", "reports"])),
        list("keyPrefixes", json!(["a/", "a/"])),
        list("allowHeaders", json!(["Range", "Range"])),
        keyed(json!(["a", "a"])),
    ];
    let broken = [too_large.to_vec(), empty.to_vec(), twice.to_vec(), vec![keyed(json!([]))]];
    limit(&largest, &broken.concat())
}

/// What the schema alone limits.
fn limits() -> Vec<Row> {
    let field = |name: &str, value: Value| ruled(&json!({name: value}));
    let named = |name: &str| field("name", json!(name));
    let bucket = |name: &str| field("buckets", json!([name]));
    let required = |header: Value| field("requireHeaders", json!([header]));
    let absent = ["name", "methods", "buckets"].map(|name| field(name, Value::Null));
    let sizes = |size: Value| ["maxContentLength", "maxFormSize"].map(|name| field(name, size.clone()));
    let switches = ["allowVersions", "allowPostPrefix"];
    [
        limit(
            &["a", "1-b", &"a".repeat(63)].map(named),
            &["", "A", "-a", "a-", "a.b", "a b", "a\n", &"a".repeat(64)].map(named),
        ),
        limit(
            &["abc", "A_B.c-d", "tenant:abc", ACCESS_POINT, &"b".repeat(255)].map(bucket),
            &["", "ab", "a b", "bücket", "a?b", "abc\n", &"b".repeat(256)].map(bucket),
        ),
        limit(&[], &["get", "PATCH", "post", ""].map(|method| field("methods", json!([method])))),
        limit(&[], &NO_NAMESPACES.map(|name| field("namespaces", json!([name])))),
        limit(
            &[
                required(json!({"name": "If-None-Match", "value": "*"})),
                required(json!({"name": "n".repeat(128), "value": "v".repeat(2048)})),
            ],
            &[
                required(json!({"value": "*"})),
                required(json!({"name": ""})),
                required(json!({"name": "a b"})),
                required(json!({"name": "n".repeat(129)})),
                required(json!({"name": "a", "value": ""})),
                required(json!({"name": "a", "value": "v".repeat(2049)})),
                required(json!("a")),
            ],
        ),
        limit(
            &[sizes(json!(0)), sizes(json!(999_999_999_999_999_i64))].concat(),
            &[sizes(json!(-1)), sizes(json!(1_000_000_000_000_000_i64)), sizes(json!("1Gi"))].concat(),
        ),
        limit(
            &switches.map(|name| field(name, json!(true))),
            &switches.map(|name| field(name, json!("true"))),
        ),
        limit(
            &[at("writeOnlyKey", json!(true)), at("writeOnlyKey", json!(false))],
            &[at("writeOnlyKey", json!("true")), at("s3", Value::Null)],
        ),
        limit(&[], &absent),
        // A signer has no bucket that its endpoint could name.
        limit(&[at("s3.endpoint", json!("https://bucket.example"))], &[]),
    ]
    .concat()
}

const ACCESS_POINT: &str = "arn:aws:s3:us-west-2:123456789012:accesspoint/my-point";
