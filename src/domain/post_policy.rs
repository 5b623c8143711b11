//! The policy of a form (S3 POST policy): what the store checks of an upload. It is a JSON text that is
//! signed as it is, so its bytes are a function of the form.
//!
//! Not here: the signature, and the fields that clients send.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde::{Deserialize, Serialize};

use super::request::Form;

/// A POST policy: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PostPolicy {
    /// When the form expires, RFC 3339.
    pub expiration: String,
    /// What must hold. A field that no condition names is refused by the store.
    pub conditions: Vec<PostCondition>,
}

/// One condition of a policy.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(untagged)]
pub enum PostCondition {
    /// The field has this value. The map has one entry.
    Equal(BTreeMap<String, String>),
    /// The size of the file, in bytes: the word `content-length-range`, the least and the most.
    Size(String, u64, u64),
    /// An operator, the name of a field after a `$`, and a value.
    Operator(String, String, String),
}

impl PostCondition {
    fn equal(name: &str, value: &str) -> Self {
        Self::Equal(BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    fn starts_with(name: &str, value: &str) -> Self {
        Self::Operator("starts-with".to_owned(), format!("${name}"), value.to_owned())
    }
}

impl PostPolicy {
    /// The policy for a form with `fields`, which are all of its fields but the policy and the signature.
    #[must_use]
    pub fn new(
        bucket: &str,
        key: &str,
        form: &Form,
        fields: &BTreeMap<String, String>,
        expiration: Timestamp,
    ) -> Self {
        let mut conditions = vec![
            PostCondition::equal("bucket", bucket),
            PostCondition::Size("content-length-range".to_owned(), form.min_size, form.max_size),
        ];
        conditions.extend(form.type_prefix().map(|text| PostCondition::starts_with("Content-Type", text)));
        conditions.extend(fields.iter().map(|(name, value)| match name.as_str() {
            "key" if form.is_key_prefix => PostCondition::starts_with(name, key),
            _ => PostCondition::equal(name, value),
        }));
        Self { expiration: expiration.to_string(), conditions }
    }

    /// The value of the field `policy`: the JSON text in base64.
    #[must_use]
    pub fn encode(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        let base64 = serde_json::to_value(ByteString(json)).unwrap_or_default();
        base64.as_str().unwrap_or_default().to_owned()
    }

    /// Reads the value of a field `policy`; `None` when it is not a policy of a kind that we write.
    #[must_use]
    pub fn decode(base64: &str) -> Option<Self> {
        let bytes: ByteString = serde_json::from_value(base64.into()).ok()?;
        serde_json::from_slice(&bytes.0).ok()
    }
}
