//! Headers that reach beyond the object of the URL. What the operator signs the store carries out: a
//! signed copy source copies whatever the platform's key can read.

use serde_json::{Value, json};

use super::attack::{Attack, Must};
use super::ledger::Ledger;
use super::stage::{AttackNamespace, AttackSetup};
use super::stores::Store;
use Must::BeRefused;

/// Harmful, unless a rule lists it by its full name.
const HARMFUL: Must = BeRefused("is not permitted by the signer");
/// Not in the list of those that concern only the object.
const UNLISTED: Must = BeRefused("does not allow the header");

/// What each is called, the headers, and what must become of an upload with them.
fn rows(source: &str) -> Vec<(&'static str, Value, Must)> {
    vec![
        ("a copy source", json!({"x-amz-copy-source": source}), HARMFUL),
        ("a copy source with a slash before it", json!({"x-amz-copy-source": format!("/{source}")}), HARMFUL),
        ("a copy source in mixed case", json!({"X-AMZ-Copy-Source": source}), HARMFUL),
        (
            "a copy source and a directive",
            json!({"x-amz-copy-source": source, "x-amz-metadata-directive": "REPLACE"}),
            HARMFUL,
        ),
        (
            "a copy source and its range",
            json!({"x-amz-copy-source": source, "x-amz-copy-source-range": "bytes=0-3"}),
            HARMFUL,
        ),
        ("the range of a copy source", json!({"x-amz-copy-source-range": "bytes=0-3"}), HARMFUL),
        ("a source to rename", json!({"x-amz-rename-source": source}), HARMFUL),
        ("the copy source of another vendor", json!({"x-oss-copy-source": source}), HARMFUL),
        ("the copy source of a third vendor", json!({"x-goog-copy-source": source}), HARMFUL),
        ("a list of rights", json!({"x-amz-acl": "public-read"}), HARMFUL),
        (
            "a right to read",
            json!({"x-amz-grant-read": "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\""}),
            HARMFUL,
        ),
        ("tags", json!({"x-amz-tagging": "team=others"}), HARMFUL),
        ("a redirect", json!({"x-amz-website-redirect-location": "https://example.org"}), HARMFUL),
        ("a lock", json!({"x-amz-object-lock-mode": "COMPLIANCE"}), HARMFUL),
        ("a legal hold", json!({"x-amz-object-lock-legal-hold": "ON"}), HARMFUL),
        ("leave to delete what is locked", json!({"x-amz-bypass-governance-retention": "true"}), HARMFUL),
        ("a key of KMS", json!({"x-amz-server-side-encryption-aws-kms-key-id": "theirs"}), HARMFUL),
        (
            "a key for encryption",
            json!({"x-amz-server-side-encryption-customer-key": "a"}),
            BeRefused("must not contain an encryption key"),
        ),
        (
            "another time",
            json!({"x-amz-date": "20300102T030405Z"}),
            BeRefused("the client or the signature itself sets it"),
        ),
        (
            "CR and LF in a value",
            json!({"x-amz-meta-a": format!("b\r\nx-amz-copy-source: {source}")}),
            BeRefused("visible ASCII characters"),
        ),
        (
            "a line break in a name",
            json!({"x-amz-meta-a:b\r\nx-amz-copy-source": source}),
            BeRefused("header names must be"),
        ),
        (
            "a space at the end of a name",
            json!({"x-amz-copy-source ": source}),
            BeRefused("header names must be"),
        ),
        (
            "a full-width letter in a name",
            json!({"\u{ff58}-amz-copy-source": source}),
            BeRefused("header names must be"),
        ),
        (
            "a header twice",
            json!({"x-amz-meta-a": "b", "X-Amz-Meta-A": "c"}),
            BeRefused("write each header once"),
        ),
    ]
}

pub async fn try_all(stage: &AttackSetup, store: &Store, ledger: &mut Ledger) {
    let source = format!("{}/tenants/{}/secret.txt", stage.team(), stage.victim);
    let upload = |row: String, role: &'static str, headers: &Value, must: Must| {
        let key = stage.own_key(&stage.fresh_name("upload"));
        let spec = stage.spec(store, role, &key, json!({"method": "PUT", "headers": headers}));
        (row, spec, must)
    };
    let mut attacks = Vec::new();
    for (name, headers, must) in rows(&source) {
        attacks.push(upload(format!("upload with {name}"), "trusted", &headers, must));
        // A rule that lists headers by their beginning does not mean these.
        attacks.push(upload(format!("upload with {name}, where x-* is allowed"), "wild", &headers, must));
    }
    for (name, header) in
        [("a storage class", "x-amz-storage-class"), ("an owner", "x-amz-expected-bucket-owner")]
    {
        attacks.push(upload(format!("upload with {name}"), "trusted", &json!({header: "a"}), UNLISTED));
    }
    let deletion = json!({"method": "DELETE", "headers": {"x-amz-bypass-governance-retention": "true"}});
    let spec = stage.spec(store, "plain", &stage.own_key("report.txt"), deletion);
    attacks.push(("a deletion of what is locked".to_owned(), spec, HARMFUL));
    for (row, spec, must) in attacks {
        Attack { row: &row, store, place: AttackNamespace::Team, spec, added: None, must }
            .try_on(stage, ledger)
            .await;
    }
}
