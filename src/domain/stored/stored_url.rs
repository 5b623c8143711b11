//! Which data key of a Secret holds the URL, and what the URL or the form in it is taken apart into.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;

use crate::crd::names::{DATA_EXPIRES_AT, DATA_FIELDS, DATA_FORM, DATA_HEADERS, DATA_METHOD, DATA_URL};
use crate::domain::fields::{Field, OwnedFields};
use crate::domain::{SignedForm, UrlParts};

/// The text under a data key.
pub(in crate::domain) fn text<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok()
}

/// The data key that holds the URL. It can be any key except the side keys. Keys that we wrote come
/// first, and of several such keys (another release may write more) the one that holds a URL.
pub(in crate::domain) fn url_key<'a>(secret: &'a Secret, fields: &OwnedFields) -> Option<&'a str> {
    let side = [DATA_METHOD, DATA_HEADERS, DATA_EXPIRES_AT, DATA_FIELDS, DATA_FORM];
    let keys: Vec<&str> = secret
        .data
        .iter()
        .flat_map(BTreeMap::keys)
        .map(String::as_str)
        .filter(|key| !side.contains(key))
        .collect();
    let mut of_ours = keys.iter().filter(|key| fields.is_ours(Field::Data(key)));
    // Usually there is one, and its value need not be looked at.
    if let (Some(only), None) = (of_ours.clone().next(), of_ours.clone().nth(1)) {
        return Some(only);
    }
    let address = text(secret, DATA_FORM).and_then(SignedForm::read).map(|(address, _)| address);
    let is_address = |text: &str| address.as_deref() == Some(text);
    let is_url =
        |key: &str| text(secret, key).is_some_and(|text| is_address(text) || UrlParts::read(text).is_some());
    let ours = of_ours.clone().find(|key| is_url(key)).or_else(|| of_ours.next());
    let usual = || keys.iter().find(|key| **key == DATA_URL);
    ours.or_else(usual).or_else(|| keys.iter().find(|key| is_url(key))).copied()
}

/// The URL or the form in a Secret.
pub(super) struct StoredUrl<'a> {
    /// What it is taken apart into; `None` when there is none or it cannot be parsed.
    pub(super) parts: Option<UrlParts>,
    /// The file of the form, unless the Secret holds a URL.
    pub(super) file: Option<&'a str>,
}

impl<'a> StoredUrl<'a> {
    /// Parses the URL once, for all that is asked of it.
    pub(super) fn read(secret: &'a Secret, url_key: Option<&str>) -> Self {
        let url = url_key.and_then(|key| text(secret, key));
        let parts = url.and_then(UrlParts::read);
        let file = text(secret, DATA_FORM).filter(|_| parts.is_none());
        let of_form = url.zip(file).and_then(|(url, file)| UrlParts::read_form(url, file));
        Self { parts: parts.or(of_form), file }
    }
}
