//! A stored Secret as the caches keep it: what a decision needs, and never the bytes of its data.

mod stored_url;

use std::fmt::{self, Write as _};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use sha2::{Digest as _, Sha256};

use super::ended::Ended;
use super::fields::{Field, OwnedFields, is_our_controller, is_presigned_url, is_reserved, present};
use super::request::renew_token;
use super::{SignedForm, Validity};
use crate::crd::duration::DurationText;
use crate::crd::names::{
    ANNOTATION_EXPIRES_IN, ANNOTATION_FORMAT, ANNOTATION_OWNER, ANNOTATION_RENEW, ANNOTATION_SOURCE,
    DATA_FIELDS, DATA_FORM, DATA_HEADERS, DATA_METHOD, FORMAT, LABEL_MANAGED, MANAGED,
};
use stored_url::StoredUrl;
pub(super) use stored_url::{text, url_key};

/// The first half of a SHA-256: enough to distinguish texts, and it does not reveal them.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut short = [0; 16];
        short.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
        Self(short)
    }

    /// Parses what `Display` prints.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The content of a Secret as digests, one for each part, so that the part that changed is known. Fields
/// that other clients added are not in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Content {
    /// The stored URL or form; `None` when there is none or it cannot be parsed.
    pub url: Option<UrlDigest>,
    /// The method and the headers that the URL was signed for. The URL itself shows them only in its
    /// signature. `None` when they are missing or another client changed them.
    pub usage: Option<Digest>,
    /// Labels, annotations, side keys, owner reference and type.
    pub other_fields: Digest,
}

/// A URL or a form as digests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UrlDigest {
    /// When the URL works.
    pub validity: Validity,
    /// The address and the parameters.
    pub address: Digest,
    /// The whole text, without key id, session token and signature.
    pub text: Digest,
    /// The access key id and the session token.
    pub identity: Digest,
    /// The signature.
    pub signature: Digest,
}

/// The controller in a Secret's owner references.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ControllerRef {
    /// Whether the controller is a `PresignedUrl`.
    pub is_presigned_url: bool,
    /// Name of the controller.
    pub name: Box<str>,
    /// UID of the controller.
    pub uid: Box<str>,
}

/// A Secret as it is in the cluster.
#[allow(clippy::struct_excessive_bools, reason = "each is one independent observation")]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// UID of the Secret.
    pub uid: Box<str>,
    /// Resource version of the Secret, which grows with every write.
    pub resource_version: u64,
    /// Content of the Secret.
    pub content: Content,
    /// The controller among the owner references.
    pub controller: Option<ControllerRef>,
    /// Whether the Secret carries our label.
    pub is_managed: bool,
    /// The `PresignedUrl` that the annotation of the Secret names.
    pub owner: Option<Box<str>>,
    /// The renewal token that the last URL was issued for.
    pub handled_renew: Option<Box<str>>,
    /// The lifetime that was requested for the URL, in seconds.
    pub requested: Option<u32>,
    /// A digest of where the credentials of the URL came from, if a session signed it.
    pub source: Option<Digest>,
    /// What the Secret remembers of its URL, if that ended.
    pub ended: Option<Box<Ended>>,
    /// Whether we wrote our label. A copy that another client made carries it too.
    pub is_label_ours: bool,
    /// Whether we wrote the URL or the form in the Secret.
    pub is_url_ours: bool,
    /// Whether another release of the operator rendered the Secret.
    pub is_other_format: bool,
    /// Whether other managers own our fields too. Then only a read of the whole Secret shows what an
    /// apply would leave behind.
    pub is_shared: bool,
    /// Whether the Secret can never be written: it is immutable, or its type is not Opaque.
    pub is_fixed: bool,
}

impl Stored {
    /// Reads a Secret that the API server returned.
    #[must_use]
    pub fn read(secret: &Secret) -> Self {
        let metadata = &secret.metadata;
        let fields = OwnedFields::read(metadata);
        let annotation = |name: &str| metadata.annotations.as_ref().and_then(|all| all.get(name));
        let controller =
            metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let url_key = url_key(secret, &fields);
        let stored_url = StoredUrl::read(secret, url_key);
        let format_is_ours = fields.is_ours(Field::Annotation(ANNOTATION_FORMAT));
        Self {
            uid: metadata.uid.clone().unwrap_or_default().into(),
            resource_version: resource_version(metadata.resource_version.as_deref()),
            content: Content::read(secret, url_key, &stored_url, Some(&fields)),
            controller: controller.map(|owner| ControllerRef {
                is_presigned_url: is_presigned_url(owner),
                name: bounded(&owner.name).into(),
                uid: bounded(&owner.uid).into(),
            }),
            is_managed: metadata.labels.as_ref().and_then(|all| all.get(LABEL_MANAGED)).map(String::as_str)
                == Some(MANAGED),
            owner: annotation(ANNOTATION_OWNER).map(|name| bounded(name).into()),
            handled_renew: annotation(ANNOTATION_RENEW).and_then(|t| renew_token(t)).map(Into::into),
            requested: annotation(ANNOTATION_EXPIRES_IN)
                .and_then(|text| DurationText::from(text.as_str()).seconds()),
            // One that another client wrote says nothing of our URL.
            source: annotation(ANNOTATION_SOURCE)
                .filter(|_| fields.is_ours(Field::Annotation(ANNOTATION_SOURCE)))
                .and_then(|text| Digest::parse(text)),
            ended: Ended::read(secret, &fields).map(Box::new),
            is_label_ours: fields.is_ours(Field::Label(LABEL_MANAGED)),
            is_url_ours: url_key.is_some_and(|key| fields.is_ours(Field::Data(key)))
                && stored_url.file.is_none_or(|_| fields.is_ours(Field::Data(DATA_FORM))),
            is_other_format: format_is_ours && annotation(ANNOTATION_FORMAT).is_some_and(|f| f != FORMAT),
            is_shared: present(secret)
                .any(|field| (fields.is_ours(field) || is_reserved(field)) && !fields.is_ours_alone(field)),
            is_fixed: secret.immutable == Some(true)
                || secret.type_.as_deref().is_some_and(|t| t != "Opaque"),
        }
    }
}

impl Stored {
    /// The same Secret without its content. The caches keep foreign Secrets in this form.
    #[must_use]
    pub fn without_content(self) -> Self {
        let content = Content { url: None, usage: None, other_fields: Digest::default() };
        Self { content, handled_renew: None, source: None, ended: None, ..self }
    }
}

impl Content {
    /// The content of a Secret that we rendered, so that all of its fields are ours.
    #[must_use]
    pub fn rendered(secret: &Secret, url_key: &str) -> Self {
        Self::read(secret, Some(url_key), &StoredUrl::read(secret, Some(url_key)), None)
    }

    fn read(
        secret: &Secret,
        url_key: Option<&str>,
        StoredUrl { parts, file }: &StoredUrl<'_>,
        fields: Option<&OwnedFields>,
    ) -> Self {
        let is_ours = |key| fields.is_none_or(|fields| fields.is_ours(Field::Data(key)));
        // A form has no headers: all that it was signed for is in its fields.
        let headers = if file.is_some() { Some("") } else { text(secret, DATA_HEADERS) };
        let usage = text(secret, DATA_METHOD).zip(headers);
        Self {
            url: parts.as_ref().map(|parts| UrlDigest {
                validity: parts.validity,
                address: Digest::of(&parts.address),
                text: Digest::of(&parts.text),
                identity: Digest::of(parts.identity.expose()),
                signature: Digest::of(parts.signature.expose()),
            }),
            usage: usage
                .filter(|_| is_ours(DATA_METHOD) && (file.is_some() || is_ours(DATA_HEADERS)))
                .map(|(method, headers)| Digest::of(&format!("{method} {headers}"))),
            other_fields: Digest::of(&other_fields(secret, url_key, *file, fields)),
        }
    }
}

/// The longest name that an object in Kubernetes can have.
const MAX_NAME: usize = 253;

/// Parses a resource version. Since Kubernetes 1.35 clients may compare resource versions as numbers. One
/// that is not a number counts as 0, so that its object is read again.
#[must_use]
pub fn resource_version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A name or UID from a field that any client can write. One that is too long for an object is not kept.
fn bounded(name: &str) -> &str {
    if name.len() > MAX_NAME { "(too long)" } else { name }
}

/// All of our fields except the URL or the form, as one text. `file` is that of the form. `fields` says which
/// fields are ours; without it all are. A field with one of our names counts as ours, whichever client wrote it.
fn other_fields(
    secret: &Secret,
    url_key: Option<&str>,
    file: Option<&str>,
    fields: Option<&OwnedFields>,
) -> String {
    let is_ours =
        |field| fields.is_none_or(|fields: &OwnedFields| fields.is_ours(field) || is_reserved(field));
    let metadata = &secret.metadata;
    let mut text = format!("{url_key:?} {:?}", secret.type_);
    for owner in metadata.owner_references.iter().flatten() {
        let is_ours = fields.is_none_or(|fields| fields.is_ours(Field::Owner(&owner.uid)));
        if is_ours || is_our_controller(owner) {
            let OwnerReference { api_version, kind, name, uid, controller, .. } = owner;
            let _ = write!(text, "\no {api_version} {kind} {name} {uid} {controller:?}");
        }
    }
    for (name, value) in metadata.labels.iter().flatten() {
        if is_ours(Field::Label(name)) {
            let _ = write!(text, "\nl {name:?} {value:?}");
        }
    }
    for (name, value) in metadata.annotations.iter().flatten() {
        if is_ours(Field::Annotation(name)) {
            let _ = write!(text, "\na {name:?} {value:?}");
        }
    }
    let fields_of_form = file.and_then(SignedForm::read).map(|(_, form)| form.curl_config());
    for (name, value) in secret.data.iter().flatten() {
        let is_form = file.is_some() && name == DATA_FORM;
        if Some(name.as_str()) == url_key || is_form || !is_ours(Field::Data(name)) {
            continue;
        }
        // The fields repeat the form, which another session may have signed.
        if name == DATA_FIELDS && fields_of_form.as_ref().is_some_and(|fields| fields.as_bytes() == value.0) {
            text.push_str("\nd fields of the form");
        } else {
            let _ = write!(text, "\nd {name:?} {:?}", value.0);
        }
    }
    text
}

#[cfg(test)]
mod tests;
