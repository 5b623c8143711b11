//! The form of a request with method POST, and its checks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::checks::{CheckResult, at_most, require};
use super::{InvalidSpec, Method};
use crate::crd::rules::Rule;
use crate::crd::{PresignedUrlSpec, UploadForm, form_rules as rules};

/// What may be uploaded with a form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Form {
    /// The smallest file, in bytes.
    pub min_size: u64,
    /// The largest file, in bytes.
    pub max_size: u64,
    /// Whether the key of the request is a prefix, after which the visitor chooses a name.
    pub is_key_prefix: bool,
    /// The content type; only its beginning if it ends with a slash.
    pub content_type: Option<String>,
    /// The metadata, with names as in fields, sorted by name.
    pub metadata: Vec<(String, String)>,
    /// What the store answers to an upload.
    pub answer: Option<UploadAnswer>,
}

/// What the store answers to an upload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UploadAnswer {
    /// It sends the browser to this address.
    Redirect(String),
    /// This status.
    Status(u16),
}

/// The largest size, in bytes.
const MAX_SIZE: i64 = 999_999_999_999_999;
/// What the name of a field with metadata begins with.
const METADATA: &str = "x-amz-meta-";
/// What stores replace by the name of the file that a visitor chose.
const FILE_NAME: &str = "${filename}";

impl Form {
    /// The value of the field `key`.
    #[must_use]
    pub fn key_field<'a>(&self, key: &'a str) -> Cow<'a, str> {
        if self.is_key_prefix { format!("{key}{FILE_NAME}").into() } else { key.into() }
    }

    /// The content type, if uploads must have exactly that.
    #[must_use]
    pub fn exact_type(&self) -> Option<&str> {
        self.content_type.as_deref().filter(|text| !text.ends_with('/'))
    }

    /// What the content type must begin with, if visitors may choose it.
    #[must_use]
    pub fn type_prefix(&self) -> Option<&str> {
        self.content_type.as_deref().filter(|text| text.ends_with('/'))
    }

    /// All of it as a text for a digest that is stored, so that it must stay the same in all releases.
    #[must_use]
    pub fn described(&self) -> String {
        let Self { min_size, max_size, is_key_prefix, content_type, metadata, answer } = self;
        let answer = match answer {
            None => String::new(),
            Some(UploadAnswer::Redirect(address)) => format!("redirect {address:?}"),
            Some(UploadAnswer::Status(status)) => format!("status {status}"),
        };
        format!("{min_size} {max_size} {is_key_prefix} {content_type:?} {metadata:?} {answer}")
    }

    /// The names of the headers that stand for the fields of the form, as the rules of a signer name them.
    pub(in crate::domain) fn header_names(&self) -> impl Iterator<Item = &str> {
        let content_type = self.content_type.iter().map(|_| "Content-Type");
        content_type.chain(self.metadata.iter().map(|(name, _)| name.as_str()))
    }

    /// Parses the form of a spec, and checks what it excludes.
    pub(super) fn parse(spec: &PresignedUrlSpec, method: Method) -> Result<Option<Self>, InvalidSpec> {
        let form = match (&spec.form, method) {
            (None, Method::Post) => return refused("form", rules::FORM_NEEDED),
            (None, Method::Get | Method::Head | Method::Put | Method::Delete) => return Ok(None),
            (Some(form), Method::Post) => form,
            (Some(_), _) => return refused("form", rules::FORM_METHOD),
        };
        require(!spec.bucket.contains(':'), "bucket", rules::FORM_BUCKET)?;
        let is_key_prefix = form.key_prefix.unwrap_or(false);
        require(!is_key_prefix || spec.key.ends_with('/'), "key", rules::FORM_PREFIX)?;
        require(!spec.key.contains(FILE_NAME), "key", rules::FORM_VARIABLE)?;
        require(spec.headers.as_ref().is_none_or(BTreeMap::is_empty), "headers", rules::FORM_HEADERS)?;
        require(spec.query.as_ref().is_none_or(BTreeMap::is_empty), "query", rules::FORM_QUERY)?;
        let (min_size, max_size) = sizes(form)?;
        content_type(form.content_type.as_deref())?;
        let empty = BTreeMap::new();
        let given = form.metadata.as_ref().unwrap_or(&empty);
        metadata(given)?;
        Ok(Some(Self {
            min_size,
            max_size,
            is_key_prefix,
            content_type: form.content_type.clone(),
            metadata: given
                .iter()
                .map(|(name, value)| (format!("{METADATA}{name}"), value.clone()))
                .collect(),
            answer: answer(form)?,
        }))
    }
}

fn refused<T>(field: &'static str, rule: Rule) -> Result<T, InvalidSpec> {
    Err(InvalidSpec::new(field, rule.message))
}

/// The sizes of a form, the smaller one first.
fn sizes(form: &UploadForm) -> Result<(u64, u64), InvalidSpec> {
    let size = |field: &'static str, size: i64, least: i64| {
        let valid = u64::try_from(size).ok().filter(|_| (least..=MAX_SIZE).contains(&size));
        valid.ok_or_else(|| InvalidSpec::new(field, format!("must be from {least} to {MAX_SIZE}")))
    };
    let (least, most) = (form.min_size.unwrap_or(0), form.max_size);
    let sizes = (size("form.minSize", least, 0)?, size("form.maxSize", most, 1)?);
    require(least <= most, "form.minSize", rules::FORM_SIZES)?;
    Ok(sizes)
}

fn content_type(text: Option<&str>) -> CheckResult {
    let Some(text) = text else { return Ok(()) };
    let field = "form.contentType";
    require(is_media_type(text), field, rules::FORM_TYPE)?;
    require(!text.contains(FILE_NAME), field, rules::FORM_TYPE_VARIABLE)?;
    at_most(255, text, field)
}

/// Whether a text is a media type with or without parameters, or its beginning up to the slash. Parameters
/// must not end with a slash, which would make a prefix of the whole.
fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c));
    let Some((first, rest)) = text.split_once('/') else { return false };
    if first.is_empty() || !is_token(first) {
        return false;
    }
    let (second, parameters) = rest.split_once(';').map_or((rest, ""), |(second, after)| (second, after));
    let second = if rest.contains(';') { second.trim_end_matches(' ') } else { second };
    let is_end = |c: char| c.is_ascii_graphic() && c != '/';
    let is_printable = parameters.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let ends_well = parameters.is_empty() || parameters.ends_with(is_end);
    is_token(second) && (!second.is_empty() || rest.is_empty()) && is_printable && ends_well
}

fn metadata(metadata: &BTreeMap<String, String>) -> CheckResult {
    let field = "form.metadata";
    if metadata.len() > 16 {
        return Err(InvalidSpec::new(field, "at most 16 can be set"));
    }
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let is_name = |name: &String| {
        (1..=64).contains(&name.len()) && name.chars().all(is_allowed) && !name.starts_with("x-amz-")
    };
    require(metadata.keys().all(is_name), field, rules::FORM_METADATA_NAME)?;
    let is_value = |value: &String| {
        !value.is_empty() && value.trim() == value && value.bytes().all(|b| (b' '..=b'~').contains(&b))
    };
    require(metadata.values().all(is_value), field, rules::FORM_METADATA_VALUE)?;
    let has_variable = metadata.values().any(|value| value.contains(FILE_NAME));
    require(!has_variable, field, rules::FORM_METADATA_VARIABLE)?;
    let length: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    require(length <= 2048, field, rules::FORM_METADATA_SIZE)?;
    metadata.values().try_for_each(|value| at_most(1024, value, field))
}

fn answer(form: &UploadForm) -> Result<Option<UploadAnswer>, InvalidSpec> {
    let (redirect, status) = ("form.successRedirect", "form.successStatus");
    if let Some(address) = &form.success_redirect {
        let scheme = address.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        let is_web = scheme.is_some_and(|scheme| ["http", "https"].contains(&scheme.as_str()));
        let has_more = address.split_once("://").is_some_and(|(_, rest)| !rest.is_empty());
        let is_ascii = address.bytes().all(|byte| byte.is_ascii_graphic());
        require(is_web && has_more && is_ascii, redirect, rules::FORM_REDIRECT)?;
        require(!address.contains(FILE_NAME), redirect, rules::FORM_REDIRECT_VARIABLE)?;
        at_most(2048, address, redirect)?;
        require(form.success_status.is_none(), status, rules::FORM_ANSWER)?;
    }
    match form.success_status {
        None => Ok(form.success_redirect.clone().map(UploadAnswer::Redirect)),
        Some(code @ (200 | 201 | 204)) => Ok(u16::try_from(code).ok().map(UploadAnswer::Status)),
        Some(_) => refused(status, rules::FORM_STATUS),
    }
}
