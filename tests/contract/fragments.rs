//! Specs put together from fragments that have broken parsers before.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::session_fragments::sessions;

/// One to four fields of the smallest spec, replaced by something nasty; in some, the credentials, too, or
/// the store by a signer.
pub fn changes() -> impl Strategy<Value = Value> {
    let signer = prop_oneof![
        4 => Just("media".to_owned()),
        1 => join(NAME, 1..4),
    ];
    let sessions = prop::option::weighted(0.3, sessions(false));
    let changes = (prop::option::weighted(0.2, form()), prop::collection::vec(change(), 1..4));
    (sessions, changes, prop::option::weighted(0.2, signer)).prop_map(
        |(sessions, (form, mut changes), signer)| {
            if let Some(form) = form {
                changes.extend([("method", json!("POST")), form]);
            }
            let mut changes = combined(sessions, changes);
            if let Some(name) = signer {
                changes["s3"] = Value::Null;
                changes["signerRef"] = json!({"name": name});
            }
            changes
        },
    )
}

/// Nothing but the store and its credentials, which every kind has. `is_of_cluster` says whether they are
/// those of a `ClusterSigner`.
pub fn store_changes(is_of_cluster: bool) -> impl Strategy<Value = Value> {
    let store = prop::collection::vec(store(), 0..2);
    (sessions(is_of_cluster), store).prop_map(|(sessions, store)| combined(Some(sessions), store))
}

/// Changes of fields, by their paths below `spec`, on top of another change, as one.
pub fn combined(first: Option<Value>, changes: Vec<(&'static str, Value)>) -> Value {
    let mut all = first.unwrap_or_else(|| json!({}));
    for (path, value) in changes {
        let mut place = &mut all;
        for name in path.split('.') {
            place = &mut place[name];
        }
        *place = value;
    }
    all
}

/// A field, by its path below `spec`, and its new value.
fn change() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        3 => text("bucket", BUCKET, 1..6),
        2 => text("key", ANY, 1..6),
        2 => select(vec!["GET", "HEAD", "PUT", "DELETE", "POST"]).prop_map(|method| ("method", json!(method))),
        1 => form(),
        1 => text("versionID", ANY, 0..4),
        2 => map("headers", HEADER, VALUE),
        1 => text("response.contentType", ANY, 0..4),
        2 => map("query", PARAMETER, VALUE),
        2 => text("expiresIn", DURATION, 1..5),
        2 => text("renewBefore", DURATION, 1..5),
        1 => (-2..90_i32).prop_map(|share| ("renewBeforePercentage", json!(share))),
        24 => store(),
        1 => select(vec!["us-west-2", "eu-central-1"]).prop_map(|region| {
            ("bucket", json!(format!("arn:aws:s3:{region}:123456789012:accesspoint/point")))
        }),
        1 => select(vec!["Kubelet", "Annotate"]).prop_map(|refresh| ("podRefresh", json!(refresh))),
        1 => text("secret.name", NAME, 1..5),
        1 => text("secret.urlKey", NAME, 1..4),
        1 => select(vec!["fields", "form.json", "method", "url"]).prop_map(|key| ("secret.urlKey", json!(key))),
        2 => map("secret.labels", NAME, NAME),
        2 => map("secret.annotations", NAME, ANY),
        2 => select(vec!["Always", "Never"]).prop_map(|policy| ("renewPolicy", json!(policy))),
        1 => text("ttlAfterExpired", DURATION, 1..4),
    ]
}

/// A form, put together from what has a meaning in it.
fn form() -> impl Strategy<Value = (&'static str, Value)> {
    let sizes = (-1..3_i64, prop::option::of(-1..3_i64));
    let text = |fragments, count| prop::option::weighted(0.3, join(fragments, count));
    let metadata = prop::collection::btree_map(join(METADATA, 0..3), join(VALUE, 0..3), 0..3);
    let answer = (text(REDIRECT, 1..4), prop::option::weighted(0.2, 199..206_i32));
    let rest = (prop::option::of(any::<bool>()), text(TYPE, 0..4), prop::option::of(metadata), answer);
    (sizes, rest).prop_map(|((most, least), (prefix, content_type, metadata, (redirect, status)))| {
        let mut form = json!({"maxSize": most});
        for (name, value) in [
            ("minSize", json!(least)),
            ("keyPrefix", json!(prefix)),
            ("contentType", json!(content_type)),
            ("metadata", json!(metadata)),
            ("successRedirect", json!(redirect)),
            ("successStatus", json!(status)),
        ] {
            if !value.is_null() {
                form[name] = value;
            }
        }
        ("form", form)
    })
}

/// The same for the fields of `spec.s3`, which signers have too.
pub fn store() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        5 => text("s3.endpoint", AUTHORITY, 0..5).prop_map(|(path, rest)| {
            (path, json!(format!("https://h{}", rest.as_str().unwrap_or_default())))
        }),
        3 => text("s3.endpoint", ADDRESS, 2..8),
        2 => Just(("s3.endpoint", json!("http://minio:9000"))),
        2 => text("s3.region", REGION, 0..5),
        2 => select(vec!["us-west", "eu-central-1", "us-west-2", "a"]).prop_map(|region| ("s3.region", json!(region))),
        1 => text("s3.region", ANY, 0..3),
        3 => select(vec!["Auto", "Path", "VirtualHosted", "BucketEndpoint"]).prop_map(|style| ("s3.addressingStyle", json!(style))),
        1 => text("s3.credentials.secretRef.name", NAME, 1..5),
        1 => text("s3.credentials.secretRef.keys.accessKeyID", NAME, 1..4),
        1 => text("s3.credentials.secretRef.keys.secretAccessKey", NAME, 1..4),
        1 => text("s3.credentials.secretRef.keys.sessionToken", NAME, 1..4),
        1 => text("s3.credentials.secretRef.keys.expiration", NAME, 1..4),
        1 => text("s3.credentials.secretRef.profile", PROFILE, 1..4),
    ]
}

pub type Fragments = &'static [&'static str];

const ANY: Fragments = &[
    "a",
    "B",
    "7",
    ".",
    "..",
    "/",
    "//",
    " ",
    "\t",
    "\n",
    "\u{0}",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "é",
    "😀",
    "s3://",
    "${filename}",
    "%2e",
    "?",
    "#",
    "&",
    "\"",
    "\\",
];
const TYPE: Fragments = &["image", "/", "png", ";", " ", "a=b", "*", "é", "\n", "+", "\"", "${filename}"];
const METADATA: Fragments = &["a", "A", "x-amz-meta-", "-", "_", ".", " ", "é", "\n"];
const REDIRECT: Fragments =
    &["https://", "HTTP://", "h", "/a", "?b", " ", "é", "\n", "ftp://", "${filename}"];
const PROFILE: Fragments = &["a", "profile ", " ", "[", "]", "\\", "/", "é", "\n", "^"];
pub const REGION: Fragments =
    &["us-", "aws-", "global", "west", "-", "1", "cn", "gov-", "east-2", "A", "_", " ", "é"];
pub const BUCKET: Fragments = &[
    "abc",
    "tenant:",
    "arn:",
    "s3://",
    "h",
    "reports",
    "A",
    "_",
    "-",
    ".",
    "..",
    "xn--",
    "--x-s3",
    "192.168.5.4",
    "1.",
    "9",
    "é",
    "/",
    " ",
    "arn:",
    "arn:aws:s3:",
    "us-west-2:",
    "123456789012:",
    "accesspoint",
    "/point",
    ":point",
    "arn:aws:s3:us-west-2:123456789012:accesspoint/point",
];
pub const HEADER: Fragments = &[
    "Content-Type",
    "content-type",
    "x-",
    "X-",
    "a",
    "A",
    "-",
    "_",
    " ",
    ":",
    "host",
    "HOST",
    "TE",
    "te",
    "x-amz-date",
    "x-amz-server-side-encryption-customer-",
    "é",
    "\n",
    "'",
    "~",
    "*",
    "x-amz-meta-a",
];
pub const KEY: Fragments = &[
    "a",
    "a/",
    "/",
    "//",
    ".",
    "..",
    "{namespace}",
    "{namespace}/",
    "{name}/",
    "{",
    "}",
    "{tenant}",
    "é",
    " ",
    "\n",
];
const VALUE: Fragments = &["v", "*", " ", "\t", "\r\n", "é", "1", "0", "10000", "~", "\u{7f}", "${filename}"];
const PARAMETER: Fragments =
    &["partNumber", "uploadId", "x-", "X-", "id", "ID", "amz-", "amz", "a", ".", "~", "&", "é", "acl"];
pub const DURATION: Fragments = &[
    "1h", "90m", "59s", "1m", "168h", "0s", "0h", "1", "1d", "-", "+", ".5", " ", "999999h", "1000h",
    "999999s", "0000001m", "h", "m", "s", "d", "w", "2",
];
pub const AUTHORITY: Fragments = &[
    ".example", ".", "..", "-", "_", ":", ":80", ":0", ":65536", ":00443", ":99999", "/", "//", "/a", "/.",
    "/..", "/a..b", "/%20", "@", "u:p@", "?", "#", "[::1]", "]", "1", ".1", ".0x1f", "0x", "é", " ",
];
pub const ADDRESS: Fragments = &[
    "http://",
    "https://",
    "HTTP://",
    "ftp://",
    "://",
    ":",
    "//",
    "/",
    "h",
    "1",
    "0",
    "255",
    "256",
    ".",
    "[",
    "]",
    "::",
    "2001:db8",
    "::1",
    "f",
    ":1",
    "@",
    "127.0.0.1",
    ".1",
    "0x7f",
    "%25",
];
pub const NAME: Fragments = &[
    "a",
    "B",
    "9",
    ".",
    "..",
    "-",
    "_",
    "/",
    "a.b/",
    "A.b/",
    "presign.dev/",
    "app.kubernetes.io/managed-by",
    "é",
    " ",
    "url",
    "method",
];

pub fn join(fragments: Fragments, count: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    prop::collection::vec(select(fragments), count).prop_map(|parts| parts.concat())
}

pub fn list(fragments: Fragments) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(join(fragments, 1..5), 1..3)
}

fn text(
    path: &'static str,
    fragments: Fragments,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = (&'static str, Value)> {
    join(fragments, count).prop_map(move |text| (path, json!(text)))
}

fn map(
    path: &'static str,
    names: Fragments,
    values: Fragments,
) -> impl Strategy<Value = (&'static str, Value)> {
    prop::collection::btree_map(join(names, 0..4), join(values, 0..4), 0..4)
        .prop_map(move |map| (path, json!(map)))
}
