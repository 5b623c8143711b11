//! Takes a signed form apart: the JSON with `url` and `fields` of the data key `form.json`, which boto3 returns
//! too. Pure.
//!
//! The fields contain the signature and the session token, so no type here can be printed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde::Deserialize;
use serde_json::Value;

use super::reading::{SignatureScope, date};
use super::url_text::address;
use crate::domain::Sensitive;
use crate::domain::signed_form::{CREDENTIAL, DATE, POLICY, SIGNATURE, TOKEN};

/// The parts of a form.
#[derive(Clone)]
pub(super) struct FormText {
    /// `http` or `https`.
    pub(super) scheme: String,
    /// Host and port of the address.
    pub(super) authority: String,
    /// The path of the address, with its leading slash.
    pub(super) path: String,
    /// The fields, by name.
    pub(super) fields: BTreeMap<String, Sensitive<String>>,
    /// What the store checks.
    pub(super) policy: FormPolicy,
}

#[derive(Clone)]
pub(super) struct FormPolicy {
    pub(super) expiration: Timestamp,
    pub(super) conditions: Vec<FormCondition>,
}

#[derive(Clone)]
pub(super) enum FormCondition {
    /// The field has this value.
    Is(String, Sensitive<String>),
    /// The field begins with this value.
    StartsWith(String, Sensitive<String>),
    /// The size of the file in bytes, from the first number to the second.
    Size(u64, u64),
    /// A condition of another kind.
    Unknown,
}

/// Why a text is no signed form. No part of the text is in it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum NotForm {
    #[error("is not JSON with url and fields: give the data key form.json of the Secret")]
    NoForm,
    #[error("has a url that does not begin with https:// or http://")]
    NoUrl,
    #[error("has no field {0}: give the data key form.json of the Secret as a whole")]
    MissingField(&'static str),
    #[error("has a field {0} that cannot be read")]
    BadField(&'static str),
    #[error("is signed with signature version 2 of AWS, which is not explained here")]
    Version2,
}

#[derive(Deserialize)]
struct FormObject {
    url: String,
    fields: BTreeMap<String, String>,
}

impl FormText {
    /// Whether a text is rather a form than a URL.
    pub(super) fn is_like(text: &str) -> bool {
        text.trim_start().starts_with('{')
    }

    /// Takes a text apart.
    ///
    /// # Errors
    /// When it is no form that is signed with signature version 4.
    pub(super) fn read(text: &str) -> Result<Self, NotForm> {
        let FormObject { url, fields } = serde_json::from_str(text).map_err(|_| NotForm::NoForm)?;
        let fields = fields.into_iter().map(|(name, value)| (name, Sensitive::new(value))).collect();
        Self::new(address(&url).ok_or(NotForm::NoUrl)?, fields)
    }

    /// The form as it is sent with other values of fields, or with more fields.
    pub(super) fn sent_with(self, sent: &[(String, String)]) -> Result<Self, NotForm> {
        let mut fields = self.fields;
        for (name, value) in sent {
            fields.retain(|found, _| !found.eq_ignore_ascii_case(name));
            fields.insert(name.clone(), secret(value));
        }
        Self::new((self.scheme, self.authority, self.path), fields)
    }

    fn new(
        (scheme, authority, path): (String, String, String),
        fields: BTreeMap<String, Sensitive<String>>,
    ) -> Result<Self, NotForm> {
        let get = |name: &'static str| field(&fields, name).ok_or(NotForm::MissingField(name));
        if field(&fields, "AWSAccessKeyId").is_some() {
            return Err(NotForm::Version2);
        }
        let policy = FormPolicy::decode(get(POLICY)?).ok_or(NotForm::BadField(POLICY))?;
        for name in [CREDENTIAL, DATE, SIGNATURE] {
            get(name)?;
        }
        let form = Self { scheme, authority, path, fields, policy };
        form.scope()?;
        form.signing_time()?;
        Ok(form)
    }

    /// The value of a field. Stores do not distinguish upper and lower case in names.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        field(&self.fields, name)
    }

    /// The scope of the signature.
    pub(super) fn scope(&self) -> Result<SignatureScope, NotForm> {
        let credential = self.field(CREDENTIAL).unwrap_or_default();
        SignatureScope::of(credential).ok_or(NotForm::BadField(CREDENTIAL))
    }

    pub(super) fn signing_time(&self) -> Result<Timestamp, NotForm> {
        date(self.field(DATE).unwrap_or_default()).ok_or(NotForm::BadField(DATE))
    }

    /// The session token.
    pub(super) fn token(&self) -> Option<&str> {
        self.field(TOKEN).filter(|token| !token.is_empty())
    }
}

fn field<'a>(fields: &'a BTreeMap<String, Sensitive<String>>, name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.expose().as_str())
}

/// Whether the value of a field must not be printed.
pub(super) fn is_hidden(name: &str) -> bool {
    [POLICY, CREDENTIAL, SIGNATURE, TOKEN].iter().any(|hidden| name.eq_ignore_ascii_case(hidden))
}

impl FormPolicy {
    /// Reads the value of the field `policy`.
    pub(super) fn decode(base64: &str) -> Option<Self> {
        // A policy that was broken on its way is read all the same, so that its fault can be told.
        let texts = [base64.to_owned(), base64.replace(' ', "+")];
        let policy = texts.iter().find_map(|text| decode_json(text))?;
        let conditions = policy["conditions"].as_array()?.iter().flat_map(FormCondition::read);
        Some(Self {
            expiration: policy["expiration"].as_str()?.parse().ok()?,
            conditions: conditions.collect(),
        })
    }
}

/// Decodes JSON in base64, with the decoder that also reads Secrets. White space does not matter.
fn decode_json(base64: &str) -> Option<Value> {
    let text: String = base64.split_ascii_whitespace().collect();
    let ByteString(bytes) = serde_json::from_value(text.into()).ok()?;
    serde_json::from_slice(&bytes).ok()
}

impl FormCondition {
    /// Reads an item of the list of conditions, which can be an object with several.
    fn read(item: &Value) -> Vec<Self> {
        let is = |(name, value): (&String, &Value)| {
            value.as_str().map_or(Self::Unknown, |value| Self::Is(name.clone(), secret(value)))
        };
        match item {
            Value::Object(fields) => fields.iter().map(is).collect(),
            Value::Array(parts) => vec![Self::operator(parts).unwrap_or(Self::Unknown)],
            _ => vec![Self::Unknown],
        }
    }

    fn operator(parts: &[Value]) -> Option<Self> {
        let [operator, first, second] = parts else { return None };
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let name = || Some(first.as_str()?.strip_prefix('$')?.to_owned());
        match operator.as_str()?.to_ascii_lowercase().as_str() {
            "content-length-range" => Some(Self::Size(number(first)?, number(second)?)),
            "eq" => Some(Self::Is(name()?, secret(second.as_str()?))),
            "starts-with" => Some(Self::StartsWith(name()?, secret(second.as_str()?))),
            _ => None,
        }
    }
}

fn secret(text: &str) -> Sensitive<String> {
    Sensitive::new(text.to_owned())
}

#[cfg(test)]
pub(super) mod tests;
