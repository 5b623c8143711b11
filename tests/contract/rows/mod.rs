//! The table: specs that each judge accepts or refuses, and by which rule.
//!
//! A file for each part of the spec of a `PresignedUrl`. The API server judges them in `agreement.rs`,
//! the parser in the tests of `src/domain/request`, which include this file: `crate::crd` and
//! `crate::domain` exist in both crates. The rows of signers are in `signer_rows.rs`.

pub mod credentials;
pub mod form;
mod headers;
pub mod parsed;
mod query;
mod secrets;
mod sessions;
mod signer;
mod store;
mod times;
mod what;

use crate::crd::rules::Rule;
use serde_json::{Value, json};

pub use parsed::parse;

/// One line of the table.
#[derive(Clone)]
pub struct Row {
    /// The rule that the spec keeps or breaks; none where the schema itself sets a limit.
    pub about: Option<Rule>,
    /// What differs from the smallest spec.
    pub changes: Value,
    /// What has to be said about it.
    pub is_accepted: bool,
    /// The smallest spec of the kind.
    pub smallest: fn() -> Value,
}

impl Row {
    /// The whole spec.
    pub fn spec(&self) -> Value {
        patched((self.smallest)(), &self.changes)
    }

    /// The fields that differ from the smallest spec.
    #[allow(dead_code, reason = "the parser's tests include this file, too")]
    pub fn changed(&self) -> Vec<String> {
        fn collect(path: &str, changes: &Value, fields: &mut Vec<String>) {
            match changes.as_object() {
                Some(changes) if !changes.is_empty() => {
                    for (name, change) in changes {
                        collect(&format!("{path}.{name}"), change, fields);
                    }
                }
                _ => fields.push(path.to_owned()),
            }
        }
        let mut fields = Vec::new();
        collect("spec", &self.changes, &mut fields);
        fields
    }

    /// How a failure names the row.
    pub fn name(&self) -> String {
        let verdict = if self.is_accepted { "accepted" } else { "refused" };
        let changes: String = self.changes.to_string().chars().take(160).collect();
        format!("{changes}, to be {verdict}")
    }
}

/// Whether this is the sentence of a rule, about whichever name.
pub fn is_of(rule: &Rule, text: &str) -> bool {
    match rule.message.split_once("{}") {
        None => text == rule.message,
        Some((before, after)) => {
            let name = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            name.is_some_and(|name| !name.is_empty())
        }
    }
}

/// Every row of a `PresignedUrl`.
pub fn all() -> Vec<Row> {
    let largest = limit(&largest(), &[]);
    let request = [what::rows(), headers::rows(), query::rows(), times::rows(), form::rows()].concat();
    let credentials = [credentials::rows(), sessions::rows()].concat();
    [request, store::rows(), credentials, signer::rows(), secrets::rows(), largest].concat()
}

/// Everything at its largest at once, with each source of credentials: the rules must not cost more than
/// the API server spends on one object.
fn largest() -> [Value; 2] {
    let map = |count: usize, name: usize, value: usize| -> Value {
        let name = |n| format!("x-{n:0>width$}", width = name - 2);
        (0..count).map(|n| (name(n), json!("v".repeat(value)))).collect::<serde_json::Map<_, _>>().into()
    };
    let labels = |value: usize| -> Value {
        let name = |n| format!("{}.{}/{n:0>63}", "a".repeat(126), "b".repeat(126));
        (0..32).map(|n| (name(n), json!("v".repeat(value)))).collect::<serde_json::Map<_, _>>().into()
    };
    let (answer, data_key) = ("v".repeat(1024), "k".repeat(253));
    largest_stores().map(|s3| json!({
        "bucket": "b".repeat(255),
        "key": "k".repeat(1024),
        "versionID": "v".repeat(1024),
        "headers": map(32, 128, 2048),
        "query": map(16, 128, 1024),
        "response": {
            "contentType": answer, "contentDisposition": answer, "contentLanguage": answer,
            "contentEncoding": answer, "cacheControl": answer, "expires": answer,
        },
        "expiresIn": format!("1h{}", "0s".repeat(15)),
        "renewBefore": format!("1m{}", "0s".repeat(15)),
        "s3": s3,
        "secret": {"name": data_key, "urlKey": data_key, "labels": labels(63), "annotations": labels(4096)},
    }))
}

/// The same for the store, which signers have too.
pub fn largest_stores() -> [Value; 2] {
    let name = "k".repeat(253);
    let role = format!("arn:aws:iam::123456789012:role/{}", "r".repeat(2017));
    let certificate = "-----BEGIN CERTIFICATE-----";
    let keys =
        json!({"accessKeyID": name, "secretAccessKey": name, "sessionToken": name, "expiration": name});
    let sources = [
        ("secretRef", json!({"name": name, "keys": keys})),
        ("webIdentity", json!({"serviceAccountRef": {"name": name}, "roleARN": role, "audience": name})),
    ];
    let endpoint = format!("https://h.example/{}", "p".repeat(1006));
    let session = json!({
        "duration": format!("1h{}", "0s".repeat(15)),
        "narrowTo": "Nothing",
        "sts": {"endpoint": endpoint, "region": "r".repeat(64)},
    });
    sources.map(|(field, source)| {
        let role = json!({"roleARN": role, "externalID": "i".repeat(1224)});
        let mut credentials = json!({"secretRef": null, "assumeRole": role, "session": session});
        credentials[field] = source;
        json!({
            "endpoint": endpoint,
            "region": "r".repeat(64),
            "caBundle": format!("{}{certificate}", "#".repeat(16_384 - certificate.len())),
            "credentials": credentials,
        })
    })
}

/// Rows about one rule: specs that keep it, and specs that break it and no other.
pub fn rule(rule: Rule, kept: &[Value], broken: &[Value]) -> Vec<Row> {
    rows(Some(rule), kept, broken)
}

/// Rows about a limit of the schema.
pub fn limit(kept: &[Value], broken: &[Value]) -> Vec<Row> {
    rows(None, kept, broken)
}

fn rows(about: Option<Rule>, kept: &[Value], broken: &[Value]) -> Vec<Row> {
    let row = |changes: &Value, is_accepted| Row { about, changes: changes.clone(), is_accepted, smallest };
    let kept = kept.iter().map(|changes| row(changes, true));
    kept.chain(broken.iter().map(|changes| row(changes, false))).collect()
}

/// One change for each value of a field, by its path below `spec`.
pub fn each<const N: usize>(path: &str, values: [&str; N]) -> Vec<Value> {
    values.into_iter().map(|value| at(path, json!(value))).collect()
}

/// A change of one field, by its path below `spec`.
pub fn at(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |value, name| json!({ name: value }))
}

/// A map with this many entries.
pub fn entries(count: usize) -> Value {
    (0..count).map(|n| (format!("x-{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into()
}

/// The smallest spec.
pub fn smallest() -> Value {
    json!({
        "bucket": "reports",
        "key": "2026/q3 summary.pdf",
        "s3": {"region": "us-west-2", "credentials": {"secretRef": {"name": "keys"}}},
    })
}

/// A value with changes on top: a JSON merge patch (RFC 7386).
pub fn patched(mut value: Value, changes: &Value) -> Value {
    json_patch::merge(&mut value, changes);
    value
}
