//! A signed form: its fields, as clients send them, and how they are written into files and read back.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::post_policy::{PostCondition, PostPolicy};
use super::signed_url::{signing_time, split_credential};
use super::{Sensitive, UrlParts, Validity};
use crate::domain::request::MAX_LIFETIME;

/// The field with the credential, whose first part is the access key id.
pub const CREDENTIAL: &str = "x-amz-credential";
/// The field with the signing time.
pub const DATE: &str = "x-amz-date";
/// The field with the session token.
pub const TOKEN: &str = "x-amz-security-token";
/// The field with the policy.
pub const POLICY: &str = "policy";
/// The field with the signature.
pub const SIGNATURE: &str = "x-amz-signature";

/// The fields of a signed form, by name. They are secret: whoever has them can upload. So `Debug` shows
/// only the names.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SignedForm {
    fields: BTreeMap<String, String>,
}

impl fmt::Debug for SignedForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.fields.keys()).finish()
    }
}

/// The file `form.json`, in the form of boto3's `generate_presigned_post`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FormFile {
    url: String,
    fields: SignedForm,
}

impl SignedForm {
    /// The form with these fields.
    #[must_use]
    pub fn new(fields: BTreeMap<String, String>) -> Self {
        Self { fields }
    }

    /// The fields, by name.
    #[must_use]
    pub fn fields(&self) -> &BTreeMap<String, String> {
        &self.fields
    }

    /// A configuration file of curl, for `curl --config`. Every value is sent as it is, also one that begins
    /// with `@` or `<`.
    #[must_use]
    pub fn curl_config(&self) -> String {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let line = |(name, value): (&String, &String)| {
            format!("form-string = \"{}={}\"\n", quoted(name), quoted(value))
        };
        self.fields.iter().map(line).collect()
    }

    /// The file `form.json` for a form that is sent to `url`.
    #[must_use]
    pub fn json(&self, url: &str) -> String {
        let file = FormFile { url: url.to_owned(), fields: self.clone() };
        serde_json::to_string(&file).unwrap_or_default()
    }

    /// Reads a file `form.json`: the address, and the fields; `None` when it is not one.
    #[must_use]
    pub fn read(json: &str) -> Option<(String, Self)> {
        let FormFile { url, fields } = serde_json::from_str(json).ok()?;
        Some((url, fields))
    }
}

impl UrlParts {
    /// Parses a form that is sent to `url`, from its file `form.json`; `None` when it is not one, or not one
    /// that we could have signed.
    #[must_use]
    pub fn read_form(url: &str, json: &str) -> Option<Self> {
        let (of_file, form) = SignedForm::read(json).filter(|(of_file, _)| of_file == url)?;
        let is_usual = form.json(&of_file) == json;
        let mut fields = form.fields;
        let mut take = |name: &str| fields.remove(name);
        let (credential, date) = (take(CREDENTIAL)?, take(DATE)?);
        let (token, signature, encoded) = (take(TOKEN), take(SIGNATURE)?, take(POLICY)?);
        let (key_id, scope) = split_credential(&credential, "/")?;
        let policy = PostPolicy::decode(&encoded)?;
        let is_usual = is_usual && policy.encode() == encoded;
        let signing_time = signing_time(&date)?;
        let expiration: Timestamp = policy.expiration.parse().ok()?;
        let lifetime = u32::try_from(expiration.as_second() - signing_time.as_second()).ok();
        let lifetime = lifetime.filter(|seconds| (1..=MAX_LIFETIME).contains(seconds))?;
        let named = |condition: &PostCondition, name: &str| match condition {
            PostCondition::Equal(entry) => entry.contains_key(name),
            PostCondition::Size(..) | PostCondition::Operator(..) => false,
        };
        // What the validity and the identity say is left out.
        let is_of_form = |condition: &&PostCondition| {
            ![CREDENTIAL, DATE, TOKEN].into_iter().any(|name| named(condition, name))
        };
        let in_order: Vec<_> = policy.conditions.iter().filter(is_of_form).collect();
        let mut sorted = in_order.clone();
        sorted.sort();
        Some(Self {
            validity: Validity { signing_time, lifetime },
            address: format!("{url} {scope} {fields:?} {sorted:?}"),
            text: format!("{url} {scope} {fields:?} {in_order:?} {is_usual}"),
            identity: Sensitive::new(format!("{key_id} {}", token.unwrap_or_default())),
            signature: Sensitive::new(signature),
        })
    }
}

#[cfg(test)]
mod tests;
