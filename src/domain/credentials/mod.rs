//! Reads an access key from the data of a Secret.
//!
//! `checks` validates single values. `layouts`, `documents` and `ini` find the values. `session` makes
//! credentials from the answer of an STS.

mod checks;
mod documents;
mod ini;
mod invalid;
mod layouts;
mod session;
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

/// A validated access key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// Access key id. Every URL shows it, but logs and statuses do not.
    pub access_key_id: Sensitive<String>,
    /// Secret access key.
    pub secret_access_key: Sensitive<String>,
    /// Session token of temporary credentials.
    pub session_token: Option<Sensitive<String>>,
    /// When temporary credentials expire, if that is known.
    pub expiration: Option<Timestamp>,
}

impl Credentials {
    /// An access key that no store knows, to compare URLs while there are no credentials.
    #[must_use]
    pub fn stand_in() -> Self {
        Self {
            access_key_id: Sensitive::new("none".to_owned()),
            secret_access_key: Sensitive::new("none".to_owned()),
            session_token: None,
            expiration: None,
        }
    }

    /// Reads an access key from the data of the Secret that `reference` names. With an endpoint in the
    /// spec, key ids may have another form than those of AWS.
    ///
    /// # Errors
    /// The error names the Secret and the key, and says what to do. It never contains a value.
    pub fn select(
        reference: &CredentialsSecretRef,
        has_endpoint: bool,
        data: &BTreeMap<String, ByteString>,
    ) -> Result<Self, InvalidCredentials> {
        read(reference, has_endpoint, data)
    }

    /// Reads an access key from the data of the Secret that `reference` names, for a store whose key ids
    /// have the form of those of AWS.
    ///
    /// # Errors
    /// The error names the Secret and the key, and says what to do. It never contains a value.
    pub fn parse(
        reference: &CredentialsSecretRef,
        data: &BTreeMap<String, ByteString>,
    ) -> Result<Self, InvalidCredentials> {
        read(reference, false, data)
    }
}

/// The most bytes that an access key and its session token may have. A larger one fits into no URL.
const MAX_VALUE: usize = 8192;
const TOO_LARGE: &str =
    "is too long: an access key and its session token have at most 8 KiB; store the value alone";

/// A value and where it was found: the data key, and the field if it is part of a document.
struct DataValue<'a> {
    key: &'a str,
    field: Option<&'static str>,
    bytes: Cow<'a, [u8]>,
}

/// A value from a document is a copy, which may be a key. It is therefore overwritten.
impl Drop for DataValue<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(bytes) = &mut self.bytes {
            bytes.zeroize();
        }
    }
}

impl DataValue<'_> {
    /// Whether the value is blank, which counts as absent: templates leave blank tokens behind.
    fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }
}

/// The values of one access key.
struct FoundValues<'a> {
    id: DataValue<'a>,
    secret: DataValue<'a>,
    token: Option<DataValue<'a>>,
    expiration: Option<DataValue<'a>>,
}

/// The data of one Secret, and its name for messages.
#[derive(Clone, Copy)]
struct Reader<'a> {
    secret: &'a str,
    data: &'a BTreeMap<String, ByteString>,
    reference: &'a CredentialsSecretRef,
    /// Whether ids may contain slashes: only if the spec names both the data keys and an endpoint.
    takes_slashes: bool,
}

fn read(
    reference: &CredentialsSecretRef,
    has_endpoint: bool,
    data: &BTreeMap<String, ByteString>,
) -> Result<Credentials, InvalidCredentials> {
    let keys = reference.keys.as_ref();
    let named = keys.and_then(|keys| keys.access_key_id.as_deref().zip(keys.secret_access_key.as_deref()));
    let takes_slashes = has_endpoint && named.is_some();
    let reader = Reader { secret: &reference.name, data, reference, takes_slashes };
    if let Some((id, secret)) = named {
        let (id, secret) = (reader.named(id)?, reader.named(secret)?);
        return reader.check(FoundValues { id, secret, token: None, expiration: None });
    }
    let mut present = layouts::present(&reader);
    if present.len() < 2 {
        let only = present.pop().ok_or_else(|| reader.nothing())?;
        return reader.check(only.found?);
    }
    // Several layouts are permitted if they hold the same access key: some programs write two.
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

    /// Why the Secret has no access key at all.
    fn nothing(&self) -> InvalidCredentials {
        let secret = self.name();
        match &self.reference.profile {
            Some(profile) => InvalidCredentials::NoProfile { secret, profile: profile.clone() },
            None => InvalidCredentials::NoLayout { secret },
        }
    }

    /// The value of a data key, if it exists.
    fn value(&self, key: &'a str) -> Option<DataValue<'a>> {
        let bytes = self.data.get(key)?;
        Some(DataValue { key, field: None, bytes: Cow::Borrowed(&bytes.0) })
    }

    /// The value of a data key that the user names, and which therefore must exist.
    fn named(&self, key: &'a str) -> Result<DataValue<'a>, InvalidCredentials> {
        let missing = || InvalidCredentials::MissingKey { secret: self.name(), key: key.to_owned() };
        self.value(key).ok_or_else(missing)
    }

    fn check(&self, found: FoundValues<'a>) -> Result<Credentials, InvalidCredentials> {
        let taken = [found.id.key, found.secret.key];
        let keys = self.reference.keys.as_ref();
        let token = match keys.and_then(|keys| keys.session_token.as_deref()) {
            Some(key) => Some(self.named(key)?),
            None => found.token.filter(|value| !value.is_blank()),
        };
        let expiration = match keys.and_then(|keys| keys.expiration.as_deref()) {
            Some(key) => Some(self.named(key)?),
            None => found.expiration.filter(|value| !value.is_blank()),
        };
        // A profile is an explicit choice, of which its token is a part.
        if token.is_none()
            && self.reference.profile.is_none()
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
        if length(&id) + length(&secret) + session_token.as_ref().map_or(0, length) > MAX_VALUE {
            let longest = token.as_ref().filter(|token| token.bytes.len() > length(&secret));
            return Err(self.bad(longest.unwrap_or(&found.secret), TOO_LARGE));
        }
        let time = |value: &DataValue<'_>| {
            checks::expiration(self.text(value)?.expose()).map_err(|problem| self.bad(value, problem))
        };
        Ok(Credentials {
            access_key_id: id,
            secret_access_key: secret,
            session_token,
            expiration: expiration.as_ref().map(time).transpose()?,
        })
    }

    fn text(&self, value: &DataValue<'_>) -> Result<Sensitive<String>, InvalidCredentials> {
        let text = checks::text(value.key, &value.bytes).map_err(|problem| self.bad(value, problem))?;
        Ok(Sensitive::new(text.to_owned()))
    }

    fn bad(&self, value: &DataValue<'_>, problem: &'static str) -> InvalidCredentials {
        let (secret, key, field) = (self.name(), value.key.to_owned(), value.field);
        InvalidCredentials::BadValue { secret, key, field, problem }
    }
}

#[cfg(test)]
mod tests;
