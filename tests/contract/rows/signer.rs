//! Rows about the signer that a spec names.

use crate::crd::rules::{CONNECTION_ONE, SIGNER_NAME};
use serde_json::{Value, json};

use super::secrets::names;
use super::{Row, limit, rule};

pub fn rows() -> Vec<Row> {
    let with = |reference: Value| json!({"s3": null, "signerRef": reference});
    let named = |name: &str| with(json!({"name": name}));
    let of_kind = |kind: &str| with(json!({"kind": kind, "name": "media"}));
    [
        rule(
            CONNECTION_ONE,
            &[json!({}), named("media")],
            &[json!({"s3": null}), json!({"signerRef": {"name": "media"}})],
        ),
        names(SIGNER_NAME, named),
        limit(
            &["Signer", "ClusterSigner"].map(of_kind),
            &[
                ["signer", "Issuer", ""].map(of_kind).to_vec(),
                [json!({}), json!({"name": 1}), json!("media")].map(with).to_vec(),
            ]
            .concat(),
        ),
    ]
    .concat()
}
