//! From the bytes of a Secret to an access key that can sign.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;

use super::Sensitive;
use crate::crd::CredentialsSecretRef;

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

/// Why the data of a Secret is no access key. Never holds a value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidCredentials {
    /// None of the known layouts.
    #[error(
        "Secret {secret:?} has none of the known layouts: add the keys access-key-id and secret-access-key, or name yours in spec.s3.credentialsSecretRef.accessKeyIDKey and secretAccessKeyKey"
    )]
    NoLayout {
        /// Name of the Secret.
        secret: String,
    },
    /// More than one of the known layouts.
    #[error(
        "Secret {secret:?} has two layouts, {first} and {second}: remove one, or choose with spec.s3.credentialsSecretRef.accessKeyIDKey and secretAccessKeyKey"
    )]
    TwoLayouts {
        /// Name of the Secret.
        secret: String,
        /// Key of the id in one layout.
        first: String,
        /// Key of the id in another layout.
        second: String,
    },
    /// A key is not there.
    #[error("Secret {secret:?} has no key {key:?}: add it")]
    MissingKey {
        /// Name of the Secret.
        secret: String,
        /// The data key.
        key: String,
    },
    /// A key is there and cannot be used.
    #[error("Secret {secret:?}, key {key:?}: {problem}")]
    BadValue {
        /// Name of the Secret.
        secret: String,
        /// The data key.
        key: String,
        /// What is wrong and what to do; never the value.
        problem: &'static str,
    },
}

/// Key names of one way to store credentials: id, secret, token, expiration.
type Layout = (&'static str, &'static str, Option<&'static str>, Option<&'static str>);

/// The layouts that are recognised by their key names: plain · AWS environment · STS
/// generator · COSI · camel case · `MinIO` root.
const LAYOUTS: [Layout; 6] = [
    ("access-key-id", "secret-access-key", Some("session-token"), Some("expiration")),
    (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        Some("AWS_SESSION_TOKEN"),
        Some("AWS_CREDENTIAL_EXPIRATION"),
    ),
    ("access_key_id", "secret_access_key", Some("session_token"), Some("expiration")),
    ("COSI_S3_ACCESS_KEY_ID", "COSI_S3_ACCESS_SECRET_KEY", None, None),
    ("accessKey", "secretKey", Some("sessionToken"), Some("expiration")),
    ("rootUser", "rootPassword", None, None),
];

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

    /// Reads an access key out of the data of the Secret that `reference` names.
    ///
    /// # Errors
    /// Names the Secret and the key at fault and says what to do, never a value.
    pub fn parse(
        reference: &CredentialsSecretRef,
        data: &BTreeMap<String, ByteString>,
    ) -> Result<Self, InvalidCredentials> {
        let reader = Reader { secret: &reference.name, data };
        let explicit = reference.access_key_id_key.as_deref().zip(reference.secret_access_key_key.as_deref());
        let (id, secret, token, expiration) = match explicit {
            Some((id, secret)) => (id, secret, None, None),
            None => reader.layout()?,
        };
        // A key that the user names must be there; one that a layout merely allows need not.
        let session_token = match &reference.session_token_key {
            Some(key) => Some(reader.required(key)?),
            None => token.map(|key| reader.optional(key)).transpose()?.flatten(),
        };
        let expiration = match &reference.expiration_key {
            Some(key) => Some((key.as_str(), reader.required(key)?)),
            None => match expiration {
                Some(key) => reader.optional(key)?.map(|text| (key, text)),
                None => None,
            },
        };
        let access_key_id = reader.required(id)?;
        if access_key_id.expose().len() > 128
            || access_key_id.expose().contains(|c: char| c == '/' || c.is_whitespace())
        {
            return Err(reader.bad(
                id,
                "is no access key id: it must be at most 128 characters, without '/' and white space",
            ));
        }
        Ok(Self {
            access_key_id,
            secret_access_key: reader.required(secret)?,
            session_token,
            expiration: expiration.map(|(key, text)| reader.time(key, &text)).transpose()?,
        })
    }
}

/// The data of one Secret, and its name for messages.
struct Reader<'a> {
    secret: &'a str,
    data: &'a BTreeMap<String, ByteString>,
}

impl Reader<'_> {
    /// The one layout that is present: either of its first two keys counts.
    fn layout(&self) -> Result<Layout, InvalidCredentials> {
        let secret = self.secret.to_owned();
        let has = |key: &str| self.data.contains_key(key);
        let mut present = LAYOUTS.into_iter().filter(|(id, secret, ..)| has(id) || has(secret));
        match (present.next(), present.next()) {
            (None, _) => Err(InvalidCredentials::NoLayout { secret }),
            (Some(layout), None) => Ok(layout),
            (Some(first), Some(second)) => Err(InvalidCredentials::TwoLayouts {
                secret,
                first: first.0.to_owned(),
                second: second.0.to_owned(),
            }),
        }
    }

    fn required(&self, key: &str) -> Result<Sensitive<String>, InvalidCredentials> {
        let missing =
            || InvalidCredentials::MissingKey { secret: self.secret.to_owned(), key: key.to_owned() };
        let bytes = self.data.get(key).ok_or_else(missing)?;
        let text = std::str::from_utf8(&bytes.0)
            .map_err(|_| self.bad(key, "is not UTF-8: store the text itself, not binary data"))?
            .trim();
        if text.is_empty() {
            return Err(self.bad(key, "is empty: store the value"));
        }
        if text.contains(char::is_control) {
            return Err(self
                .bad(key, "contains control characters, such as a line break: store the value on one line"));
        }
        Ok(Sensitive::new(text.to_owned()))
    }

    /// Absent and blank both mean that there is none: templates leave blank tokens behind.
    fn optional(&self, key: &str) -> Result<Option<Sensitive<String>>, InvalidCredentials> {
        let blank = |bytes: &ByteString| bytes.0.iter().all(u8::is_ascii_whitespace);
        if self.data.get(key).is_none_or(blank) { Ok(None) } else { self.required(key).map(Some) }
    }

    fn time(&self, key: &str, text: &Sensitive<String>) -> Result<Timestamp, InvalidCredentials> {
        let text = text.expose();
        text.parse::<i64>()
            .ok()
            .map_or_else(|| text.parse::<Timestamp>().ok(), |unix| Timestamp::from_second(unix).ok())
            .and_then(|time| Timestamp::from_second(time.as_second()).ok())
            .ok_or_else(|| self.bad(key, "is no time: write RFC 3339 (2030-01-02T03:04:05Z) or Unix seconds"))
    }

    fn bad(&self, key: &str, problem: &'static str) -> InvalidCredentials {
        InvalidCredentials::BadValue { secret: self.secret.to_owned(), key: key.to_owned(), problem }
    }
}

#[cfg(test)]
mod tests;
