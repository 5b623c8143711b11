//! From a Secret to an access key that can sign.
//!
//! What a single value must look like is in `checks`, where the values are found in `layouts`,
//! `documents` and `ini`.

mod checks;
mod documents;
mod ini;
mod invalid;
mod layouts;
mod usable;

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use zeroize::Zeroize as _;

use super::Sensitive;
use crate::crd::CredentialsSecretRef;

pub use invalid::InvalidCredentials;
pub use usable::{Unusable, usable};

/// An access key, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// Access key id. Readable in every URL, yet kept out of logs and status.
    pub access_key_id: Sensitive<String>,
    /// Secret access key.
    pub secret_access_key: Sensitive<String>,
    /// Session token of temporary credentials.
    pub session_token: Option<Sensitive<String>>,
    /// When temporary credentials expire, where that is known.
    pub expiration: Option<Timestamp>,
}

impl Credentials {
    /// An access key that no store knows, for comparing URLs while the real one is absent.
    #[must_use]
    pub fn stand_in() -> Self {
        Self {
            access_key_id: Sensitive::new("none".to_owned()),
            secret_access_key: Sensitive::new("none".to_owned()),
            session_token: None,
            expiration: None,
        }
    }

    /// Reads an access key out of the data of the Secret that `reference` names. With an endpoint
    /// of its own, a store may have key ids of another form than those of AWS.
    ///
    /// # Errors
    /// Names the Secret and the key at fault and says what to do, never a value.
    pub fn select(
        reference: &CredentialsSecretRef,
        has_endpoint: bool,
        data: &BTreeMap<String, ByteString>,
    ) -> Result<Self, InvalidCredentials> {
        read(reference, has_endpoint, data)
    }

    /// Reads an access key out of the data of the Secret that `reference` names, for a store
    /// whose key ids are like those of AWS.
    ///
    /// # Errors
    /// Names the Secret and the key at fault and says what to do, never a value.
    pub fn parse(
        reference: &CredentialsSecretRef,
        data: &BTreeMap<String, ByteString>,
    ) -> Result<Self, InvalidCredentials> {
        read(reference, false, data)
    }
}

/// The most bytes of an access key with its session token; what is larger fits into no URL.
const LARGEST: usize = 8192;
const TOO_LARGE: &str =
    "is too long: an access key and its session token have at most 8 KiB; store the value alone";

/// A value and where it was found: a data key, and in a document the field.
struct Value<'a> {
    key: &'a str,
    field: Option<&'static str>,
    bytes: Cow<'a, [u8]>,
}

/// What was taken out of a document is a copy of a key.
impl Drop for Value<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(bytes) = &mut self.bytes {
            bytes.zeroize();
        }
    }
}

impl Value<'_> {
    /// Absent and blank both mean that there is none: templates leave blank tokens behind.
    fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }
}

/// The values that belong together.
struct Found<'a> {
    id: Value<'a>,
    secret: Value<'a>,
    token: Option<Value<'a>>,
    expiration: Option<Value<'a>>,
}

/// The data of one Secret, and its name for messages.
#[derive(Clone, Copy)]
struct Reader<'a> {
    secret: &'a str,
    data: &'a BTreeMap<String, ByteString>,
    reference: &'a CredentialsSecretRef,
    /// Whether ids may be like those of no AWS: only where a person named the key and the store.
    takes_slashes: bool,
}

fn read(
    reference: &CredentialsSecretRef,
    has_endpoint: bool,
    data: &BTreeMap<String, ByteString>,
) -> Result<Credentials, InvalidCredentials> {
    let named = reference.access_key_id_key.as_deref().zip(reference.secret_access_key_key.as_deref());
    let takes_slashes = has_endpoint && named.is_some();
    let reader = Reader { secret: &reference.name, data, reference, takes_slashes };
    if let Some((id, secret)) = named {
        let (id, secret) = (reader.named(id)?, reader.named(secret)?);
        return reader.check(Found { id, secret, token: None, expiration: None });
    }
    let mut present = layouts::present(&reader);
    if present.len() < 2 {
        let only = present.pop().ok_or_else(|| InvalidCredentials::NoLayout { secret: reader.name() })?;
        return reader.check(only.found?);
    }
    // One key that a program wrote in two ways is no riddle.
    let two = InvalidCredentials::TwoLayouts {
        secret: reader.name(),
        first: present[0].key.to_owned(),
        second: present[1].key.to_owned(),
    };
    let mut read = present.into_iter().map(|layout| layout.found.and_then(|found| reader.check(found)));
    match read.next() {
        Some(Ok(first)) if read.all(|other| other.is_ok_and(|other| other == first)) => Ok(first),
        _ => Err(two),
    }
}

impl<'a> Reader<'a> {
    fn name(&self) -> String {
        self.secret.to_owned()
    }

    /// What is under a data key, if it is there.
    fn value(&self, key: &'a str) -> Option<Value<'a>> {
        let bytes = self.data.get(key)?;
        Some(Value { key, field: None, bytes: Cow::Borrowed(&bytes.0) })
    }

    /// What is under a data key that the user names, and which therefore must be there.
    fn named(&self, key: &'a str) -> Result<Value<'a>, InvalidCredentials> {
        let missing = || InvalidCredentials::MissingKey { secret: self.name(), key: key.to_owned() };
        self.value(key).ok_or_else(missing)
    }

    fn check(&self, found: Found<'a>) -> Result<Credentials, InvalidCredentials> {
        let taken = [found.id.key, found.secret.key];
        let token = match &self.reference.session_token_key {
            Some(key) => Some(self.named(key)?),
            None => found.token.filter(|value| !value.is_blank()),
        };
        let expiration = match &self.reference.expiration_key {
            Some(key) => Some(self.named(key)?),
            None => found.expiration.filter(|value| !value.is_blank()),
        };
        if token.is_none()
            && let Some(stray) = layouts::stray_token(self, taken)
        {
            return Err(InvalidCredentials::StrayToken { secret: self.name(), key: stray.to_owned() });
        }
        let id = self.text(&found.id)?;
        checks::id(id.expose(), self.takes_slashes).map_err(|problem| self.bad(&found.id, problem))?;
        let secret = self.text(&found.secret)?;
        checks::secret(secret.expose()).map_err(|problem| self.bad(&found.secret, problem))?;
        if token.is_none() && checks::is_temporary(id.expose()) {
            return Err(InvalidCredentials::MissingToken { secret: self.name(), key: taken[0].to_owned() });
        }
        let session_token = token.as_ref().map(|value| self.text(value)).transpose()?;
        let length = |text: &Sensitive<String>| text.expose().len();
        if length(&id) + length(&secret) + session_token.as_ref().map_or(0, length) > LARGEST {
            let longest = token.as_ref().filter(|token| token.bytes.len() > length(&secret));
            return Err(self.bad(longest.unwrap_or(&found.secret), TOO_LARGE));
        }
        let time = |value: &Value<'_>| {
            checks::expiration(self.text(value)?.expose()).map_err(|problem| self.bad(value, problem))
        };
        Ok(Credentials {
            access_key_id: id,
            secret_access_key: secret,
            session_token,
            expiration: expiration.as_ref().map(time).transpose()?,
        })
    }

    fn text(&self, value: &Value<'_>) -> Result<Sensitive<String>, InvalidCredentials> {
        let text = checks::text(value.key, &value.bytes).map_err(|problem| self.bad(value, problem))?;
        Ok(Sensitive::new(text.to_owned()))
    }

    fn bad(&self, value: &Value<'_>, problem: &'static str) -> InvalidCredentials {
        let (secret, key, field) = (self.name(), value.key.to_owned(), value.field);
        InvalidCredentials::BadValue { secret, key, field, problem }
    }
}

#[cfg(test)]
mod tests;
