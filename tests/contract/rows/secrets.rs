//! Rows about Secrets: the one that is written, and the one that holds the credentials.

use crate::crd::rules::Rule;
use crate::crd::rules::{
    ANNOTATIONS_FORM, ANNOTATIONS_OURS, CREDENTIALS_BOTH, CREDENTIALS_KEYS, CREDENTIALS_NAME,
    CREDENTIALS_ONE, CREDENTIALS_PROFILE, LABELS_FORM, LABELS_OURS, SECRET_KEY, SECRET_KEY_TAKEN,
    SECRET_NAME,
};
use serde_json::{Value, json};

use super::{Row, at, each, entries, limit, rule};

pub fn rows() -> Vec<Row> {
    let target = names(SECRET_NAME, |name| at("secret.name", json!(name)));
    let source = names(CREDENTIALS_NAME, |name| at("s3.credentials.secretRef.name", json!(name)));
    [target, source, keys(), labels(), annotations(), credentials()].concat()
}

/// Rows about the name of an object; all such names are checked alike.
pub fn names(about: Rule, named: impl Fn(&str) -> Value) -> Vec<Row> {
    let (long, label) = (format!("{}.{}", "a".repeat(126), "b".repeat(126)), "a".repeat(64));
    let good = ["a", "1", "a.b-c", "a--b", &label, &long].map(&named);
    let bad = ["A", "a_b", "-a", "a-", ".a", "a.", "a..b", "a.-b", "ü", "a b", "a/b", "a\n"].map(&named);
    let lengths = limit(&[], &["", &"a".repeat(254)].map(&named));
    [rule(about, &good, &bad), lengths].concat()
}

fn keys() -> Vec<Row> {
    let path = "secret.urlKey";
    [
        rule(
            SECRET_KEY,
            &[each(path, ["a", "A_b.c-d", ".a", "a..", "-"]), vec![at(path, json!("k".repeat(253)))]]
                .concat(),
            &each(path, [".", "..", "..a", "...", "a/b", "ü", "a b", "a\n", "a:"]),
        ),
        rule(
            SECRET_KEY_TAKEN,
            &each(path, ["url", "Method", "header"]),
            &each(path, ["method", "headers", "expires-at", "fields", "form.json"]),
        ),
        limit(&[], &[at(path, json!("")), at(path, json!("k".repeat(254)))]),
        limit(
            &each("secret.deletionPolicy", ["Delete", "Retain"]),
            &each("secret.deletionPolicy", ["delete", "Orphan", ""]),
        ),
    ]
    .concat()
}

/// A map with one entry, which labels and annotations have in common.
fn one(field: &'static str) -> impl Fn(&str) -> Value {
    move |name| json!({"secret": {field: {name: "v"}}})
}

fn longest_name(more: &str) -> String {
    format!("{}.{}/{}{more}", "a".repeat(126), "b".repeat(126), "n".repeat(63))
}

const OURS: [&str; 3] = ["presign.dev/managed", "presign.dev/x", "app.kubernetes.io/managed-by"];
const THEIRS: [&str; 5] =
    ["presign.dev", "x.presign.dev/managed", "presign.device/x", "app.kubernetes.io/name", "managed-by"];
const NAMES: [&str; 5] = ["a", "A_b.c", "a.b/C_d", "1/2", "a-b.c/x"];
const NO_NAMES: [&str; 14] =
    ["", "/", "/a", "a/", "a/b/c", "a b", "-a", "a-", "ü", "a_b/c", "a..b/c", "a\n", "a:b", ".a/b"];

fn labels() -> Vec<Row> {
    let named = one("labels");
    let valued = |value: &str| json!({"secret": {"labels": {"team": value}}});
    let lengths = [longest_name(""), "n".repeat(63)].map(|name| named(&name));
    let too_long = [longest_name("n"), "n".repeat(64)].map(|name| named(&name));
    [
        rule(LABELS_OURS, &THEIRS.map(&named), &OURS.map(&named)),
        rule(
            LABELS_FORM,
            &[
                NAMES.map(&named).to_vec(),
                lengths.to_vec(),
                vec![valued(""), valued("A_b.c-1"), valued(&"v".repeat(63))],
            ]
            .concat(),
            &[
                NO_NAMES.map(&named).to_vec(),
                too_long.to_vec(),
                ["A.b/c"].map(&named).to_vec(),
                ["-a", "a-", "a b", "ü", "a/b", "a\n", " "].map(valued).to_vec(),
            ]
            .concat(),
        ),
        limit(
            &[json!({"secret": {"labels": entries(32)}}), json!({"secret": {"labels": {}}})],
            &[json!({"secret": {"labels": entries(33)}}), valued(&"v".repeat(64))],
        ),
    ]
    .concat()
}

fn annotations() -> Vec<Row> {
    let named = one("annotations");
    let valued = |value: &str| json!({"secret": {"annotations": {"note": value}}});
    let lengths = [longest_name(""), "n".repeat(63)].map(|name| named(&name));
    let too_long = [longest_name("n"), "n".repeat(64)].map(|name| named(&name));
    [
        rule(ANNOTATIONS_OURS, &THEIRS.map(&named), &OURS.map(&named)),
        rule(
            ANNOTATIONS_FORM,
            &[
                NAMES.map(&named).to_vec(),
                lengths.to_vec(),
                // The API server takes annotation names in any case.
                ["A.b/c"].map(&named).to_vec(),
                vec![
                    valued(""),
                    valued("any\n\tthing ü"),
                    valued(&"v".repeat(4096)),
                    valued(&"é".repeat(2048)),
                ],
            ]
            .concat(),
            &[NO_NAMES.map(&named).to_vec(), too_long.to_vec(), vec![valued(&"é".repeat(2049))]].concat(),
        ),
        limit(
            &[json!({"secret": {"annotations": entries(32)}})],
            &[json!({"secret": {"annotations": entries(33)}}), valued(&"v".repeat(4097))],
        ),
    ]
    .concat()
}

fn credentials() -> Vec<Row> {
    let reference = |changes: Value| json!({"s3": {"credentials": {"secretRef": changes}}});
    let keys = |changes: Value| reference(json!({"keys": changes}));
    let profile = |name: &str| reference(json!({"profile": name}));
    let all = |key: &str| {
        [
            keys(json!({"accessKeyID": key, "secretAccessKey": "b"})),
            keys(json!({"accessKeyID": "a", "secretAccessKey": key})),
            keys(json!({"sessionToken": key})),
            keys(json!({"expiration": key})),
        ]
    };
    let long = "k".repeat(253);
    [
        rule(
            CREDENTIALS_ONE,
            &[keys(json!({})), profile("team-a")],
            &[reference(json!({"keys": {}, "profile": "team-a"}))],
        ),
        rule(
            CREDENTIALS_PROFILE,
            &["a", "team a", "arn:aws:iam::1:role/x", &"p".repeat(128)].map(profile),
            &[" a", "a ", "[a]", "a\\b", "a\n", "é"].map(profile),
        ),
        limit(&[], &["", &"p".repeat(129)].map(profile)),
        rule(
            CREDENTIALS_BOTH,
            &[keys(json!({"accessKeyID": "a", "secretAccessKey": "a"})), keys(json!({}))],
            &[keys(json!({"accessKeyID": "a"})), keys(json!({"secretAccessKey": "a"}))],
        ),
        rule(
            CREDENTIALS_KEYS,
            &["A_b.c-d", ".a", "a..", &long].map(all).concat(),
            &[".", "..", "..a", "a b", "a/b", "ü", "a\n"].map(all).concat(),
        ),
        limit(&[], &["", &"k".repeat(254)].map(all).concat()),
    ]
    .concat()
}
