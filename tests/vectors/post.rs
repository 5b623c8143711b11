//! The forms that boto3 makes, through the built binary: the same specs, credentials and signing times must
//! give the same address, the same fields, and a policy with the same conditions. The order of the
//! conditions is ours, so the signature is another one, and is calculated here from our own policy.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Row, rows_of, sign};

const FORMS: &str = include_str!("post.jsonl");

fn rows() -> Vec<(Row, Value)> {
    let lines = FORMS.lines().map(|line| serde_json::from_str(line).unwrap());
    rows_of(FORMS).into_iter().zip(lines).collect()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The signature of a policy, as AWS describes it.
fn signature(row: &Row, fields: &Value) -> String {
    let secret = row.credentials["secretAccessKey"].as_str().unwrap();
    let scope = fields["x-amz-credential"].as_str().unwrap().split_once('/').unwrap().1;
    let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part));
    let digest = hmac(&key, fields["policy"].as_str().unwrap());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn policy(fields: &Value) -> Value {
    let bytes: ByteString = serde_json::from_value(fields["policy"].clone()).unwrap();
    serde_json::from_slice(&bytes.0).unwrap()
}

/// The conditions of a policy as a sorted list.
fn conditions(policy: &Value) -> Vec<String> {
    let mut all: Vec<_> = policy["conditions"].as_array().unwrap().iter().map(ToString::to_string).collect();
    all.sort();
    all
}

/// All fields but the policy and the signature.
fn plain(fields: &Value) -> BTreeMap<String, Value> {
    let fields: BTreeMap<String, Value> = serde_json::from_value(fields.clone()).unwrap();
    fields.into_iter().filter(|(name, _)| !["policy", "x-amz-signature"].contains(&name.as_str())).collect()
}

fn without_default_port(url: &str) -> String {
    let port = if url.starts_with("https:") { ":443/" } else { ":80/" };
    url.replacen(port, "/", 1)
}

#[test]
fn signs_the_forms_that_boto3_signs() {
    let rows = rows();
    assert_eq!(rows.len(), 60);
    for (row, expected) in rows {
        let printed: Value = serde_json::from_str(&sign(&row, &row.manifest, "json")).unwrap();
        let (fields, theirs) = (&printed["fields"], &expected["fields"]);
        let url = printed["url"].as_str().unwrap();
        assert_eq!(url, without_default_port(&row.url), "{}: url", row.name);
        assert!(plain(fields) == plain(theirs), "{}: fields", row.name);
        let (own, other) = (policy(fields), policy(theirs));
        assert_eq!(other, expected["policy"], "{}: the row", row.name);
        assert_eq!(own["expiration"], other["expiration"], "{}: expiration", row.name);
        assert!(conditions(&own) == conditions(&other), "{}: conditions", row.name);
        assert!(fields["x-amz-signature"] == signature(&row, fields), "{}: signature", row.name);
        // The calculation itself is right if it gives what boto3 signed.
        assert!(theirs["x-amz-signature"] == signature(&row, theirs), "{}: signature of boto3", row.name);

        assert_eq!((&printed["method"], &printed["headers"]), (&json!("POST"), &Value::Null), "{}", row.name);
        assert_eq!(printed["expiresAt"], own["expiration"], "{}: expiresAt", row.name);
        assert!(sign(&row, &row.manifest, "json").contains(fields["policy"].as_str().unwrap()));
    }
}
