//! The Secret that a URL is written to, and the rules for names of Secrets and data keys.

use std::collections::BTreeMap;

use super::InvalidSpec;
use super::checks::{is_data_key, is_dns_subdomain, require};
use crate::crd::names::{self, DATA_EXPIRES_AT, DATA_FIELDS, DATA_FORM, DATA_HEADERS, DATA_METHOD};
use crate::crd::{CredentialsSecretRef, DeletionPolicy, SecretTarget, rules};

/// The Secret that a URL is written to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// Name of the Secret.
    pub name: String,
    /// Data key that holds the URL.
    pub url_key: String,
    /// Labels in addition to ours.
    pub labels: BTreeMap<String, String>,
    /// Annotations in addition to ours.
    pub annotations: BTreeMap<String, String>,
    /// What happens to the Secret when the `PresignedUrl` is deleted.
    pub deletion_policy: DeletionPolicy,
}

impl Target {
    pub(super) fn parse(owner: &str, target: Option<&SecretTarget>) -> Result<Self, InvalidSpec> {
        let target = target.cloned().unwrap_or_default();
        let name = target.name.unwrap_or_else(|| owner.to_owned());
        let url_key = target.url_key.unwrap_or_else(|| names::DATA_URL.to_owned());
        let (labels, annotations) =
            (target.labels.unwrap_or_default(), target.annotations.unwrap_or_default());
        require(is_dns_subdomain(&name), "secret.name", rules::SECRET_NAME)?;
        require(is_data_key(&url_key), "secret.urlKey", rules::SECRET_KEY)?;
        let taken =
            [DATA_METHOD, DATA_HEADERS, DATA_EXPIRES_AT, DATA_FIELDS, DATA_FORM].contains(&url_key.as_str());
        require(!taken, "secret.urlKey", rules::SECRET_KEY_TAKEN)?;
        require(!labels.keys().any(|name| is_ours(name)), "secret.labels", rules::LABELS_OURS)?;
        let valid = labels.iter().all(|(name, value)| is_qualified(name) && is_label_value(value));
        require(valid, "secret.labels", rules::LABELS_FORM)?;
        let field = "secret.annotations";
        require(!annotations.keys().any(|name| is_ours(name)), field, rules::ANNOTATIONS_OURS)?;
        let is_valid = |(name, value): (&String, &String)| {
            is_qualified(&name.to_ascii_lowercase()) && value.len() <= 4096
        };
        require(annotations.iter().all(is_valid), field, rules::ANNOTATIONS_FORM)?;
        for (field, map) in [("secret.labels", &labels), (field, &annotations)] {
            if map.len() > 32 {
                return Err(InvalidSpec::new(field, "at most 32 can be set"));
            }
        }
        let deletion_policy = target.deletion_policy.unwrap_or_default();
        Ok(Self { name, url_key, labels, annotations, deletion_policy })
    }
}

/// Checks the names in a reference to a credentials Secret.
pub(in crate::domain) fn check_reference(reference: &CredentialsSecretRef) -> Result<(), InvalidSpec> {
    require(is_dns_subdomain(&reference.name), "s3.credentials.secretRef.name", rules::CREDENTIALS_NAME)?;
    if let Some(profile) = &reference.profile {
        let field = "s3.credentials.secretRef.profile";
        require(reference.keys.is_none(), field, rules::CREDENTIALS_ONE)?;
        require(is_profile(profile), field, rules::CREDENTIALS_PROFILE)?;
    }
    let Some(keys) = &reference.keys else { return Ok(()) };
    let field = "s3.credentials.secretRef.keys";
    let (id, secret) = (&keys.access_key_id, &keys.secret_access_key);
    require(id.is_some() == secret.is_some(), field, rules::CREDENTIALS_BOTH)?;
    let all = [id, secret, &keys.session_token, &keys.expiration];
    let valid = all.into_iter().flatten().all(|key| is_data_key(key));
    require(valid, field, rules::CREDENTIALS_KEYS)
}

/// Whether a text can be the name of a profile in a credentials file.
fn is_profile(name: &str) -> bool {
    let is_visible = |byte: u8| (b' '..=b'~').contains(&byte) && !b"[\\]".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(is_visible) && name.trim() == name
}

fn is_ours(name: &str) -> bool {
    name.starts_with(names::RESERVED_PREFIX) || name == names::LABEL_MANAGED_BY
}

/// Whether a text is a name with an optional DNS prefix, as labels and annotations have.
fn is_qualified(name: &str) -> bool {
    let (prefix, name) = name.split_once('/').map_or((None, name), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_dns_subdomain) && !name.is_empty() && is_label_value(name)
}

/// Whether a text has at most 63 letters, digits, '.', '_' and '-', with a letter or digit at both ends,
/// or is empty.
fn is_label_value(value: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    value.is_empty()
        || (value.len() <= 63
            && value.starts_with(alphanumeric)
            && value.ends_with(alphanumeric)
            && value.chars().all(|c| alphanumeric(c) || matches!(c, '.' | '_' | '-')))
}
