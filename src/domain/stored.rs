//! What is kept in mind of a Secret: never its bytes, only what a decision needs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use sha2::{Digest as _, Sha256};

use super::fields::{Field, OwnedFields, is_our_controller, is_presigned_url, is_reserved, present};
use super::request::renew_token;
use super::{UrlParts, Validity};
use crate::crd::names::{
    ANNOTATION_FORMAT, ANNOTATION_OWNER, ANNOTATION_RENEW, DATA_EXPIRES_AT, DATA_HEADERS, DATA_METHOD,
    DATA_URL, FORMAT, LABEL_MANAGED, MANAGED,
};

/// Half a SHA-256: enough to tell texts apart, too little to give one away.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut short = [0; 16];
        short.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
        Self(short)
    }
}

/// A Secret's content as digests, so that a change of one part can be told from a
/// change of another. What others added is not in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Content {
    /// The stored URL; `None` when there is none that can be read.
    pub url: Option<UrlDigest>,
    /// The method and the headers that the URL was signed for, of which it shows only the
    /// signature; `None` when they are not as we wrote them.
    pub usage: Option<Digest>,
    /// Labels, annotations, side keys, owner reference and type.
    pub frame: Digest,
}

/// A URL as digests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UrlDigest {
    /// When it works.
    pub validity: Validity,
    /// Address and parameters.
    pub address: Digest,
    /// The whole text, without key id, session token and signature.
    pub text: Digest,
    /// Access key id and session token.
    pub identity: Digest,
    /// The signature.
    pub signature: Digest,
}

/// The controller in a Secret's owner references.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Controller {
    /// Whether it is a `PresignedUrl`.
    pub is_presigned_url: bool,
    /// Its name.
    pub name: Box<str>,
    /// Its UID.
    pub uid: Box<str>,
}

/// A Secret as it stands in the cluster.
#[allow(clippy::struct_excessive_bools, reason = "each is one independent observation")]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// UID of the Secret.
    pub uid: Box<str>,
    /// Its resource version, which grows with every write.
    pub resource_version: u64,
    /// What it holds.
    pub content: Content,
    /// Who controls it.
    pub controller: Option<Controller>,
    /// Whether it carries our label.
    pub is_managed: bool,
    /// The `PresignedUrl` that it says it was written for.
    pub owner: Option<Box<str>>,
    /// The renewal token that it was last issued for.
    pub handled_renew: Option<Box<str>>,
    /// Whether our label is one that we wrote: a copy that somebody made has it, too.
    pub is_label_ours: bool,
    /// Whether the URL in it is the one that we wrote.
    pub is_url_ours: bool,
    /// Whether another release of the operator rendered it.
    pub is_other_format: bool,
    /// Whether others own fields of ours too, so that it takes a read to know what an apply
    /// would leave behind.
    pub is_shared: bool,
    /// Whether it can never be changed: `immutable`, or of another type.
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
        let format_is_ours = fields.is_ours(Field::Annotation(ANNOTATION_FORMAT));
        Self {
            uid: metadata.uid.clone().unwrap_or_default().into(),
            resource_version: resource_version(metadata.resource_version.as_deref()),
            content: Content::read(secret, url_key, Some(&fields)),
            controller: controller.map(|owner| Controller {
                is_presigned_url: is_presigned_url(owner),
                name: bounded(&owner.name).into(),
                uid: bounded(&owner.uid).into(),
            }),
            is_managed: metadata.labels.as_ref().and_then(|all| all.get(LABEL_MANAGED)).map(String::as_str)
                == Some(MANAGED),
            owner: annotation(ANNOTATION_OWNER).map(|name| bounded(name).into()),
            handled_renew: annotation(ANNOTATION_RENEW).and_then(|t| renew_token(t)).map(Into::into),
            is_label_ours: fields.is_ours(Field::Label(LABEL_MANAGED)),
            is_url_ours: url_key.is_some_and(|key| fields.is_ours(Field::Data(key))),
            is_other_format: format_is_ours && annotation(ANNOTATION_FORMAT).is_some_and(|f| f != FORMAT),
            is_shared: present(secret)
                .any(|field| (fields.is_ours(field) || is_reserved(field)) && !fields.is_ours_alone(field)),
            is_fixed: secret.immutable == Some(true)
                || secret.type_.as_deref().is_some_and(|t| t != "Opaque"),
        }
    }
}

impl Stored {
    /// The same without a trace of what it holds, for a Secret that is somebody else's.
    #[must_use]
    pub fn without_content(self) -> Self {
        let content = Content { url: None, usage: None, frame: Digest::default() };
        Self { content, handled_renew: None, ..self }
    }
}

impl Content {
    /// The content of a Secret that we rendered: all of it is ours.
    #[must_use]
    pub fn rendered(secret: &Secret, url_key: &str) -> Self {
        Self::read(secret, Some(url_key), None)
    }

    fn read(secret: &Secret, url_key: Option<&str>, fields: Option<&OwnedFields>) -> Self {
        let parts = url_key.and_then(|key| text(secret, key)).and_then(UrlParts::read);
        let is_ours = |key| fields.is_none_or(|fields| fields.is_ours(Field::Data(key)));
        let usage = text(secret, DATA_METHOD).zip(text(secret, DATA_HEADERS));
        Self {
            url: parts.map(|parts| UrlDigest {
                validity: parts.validity,
                address: Digest::of(&parts.address),
                text: Digest::of(&parts.text),
                identity: Digest::of(parts.identity.expose()),
                signature: Digest::of(parts.signature.expose()),
            }),
            usage: usage
                .filter(|_| is_ours(DATA_METHOD) && is_ours(DATA_HEADERS))
                .map(|(method, headers)| Digest::of(&format!("{method} {headers}"))),
            frame: Digest::of(&frame(secret, url_key, fields)),
        }
    }
}

/// The longest name of an object in Kubernetes.
const LONGEST_NAME: usize = 253;

/// Resource versions are opaque to clients, yet grow and compare as numbers since
/// Kubernetes 1.35 says so; what is no number sorts first and is read again.
#[must_use]
pub fn resource_version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A name or UID as somebody wrote it. Of one that no object can have, nothing is kept.
fn bounded(name: &str) -> &str {
    if name.len() > LONGEST_NAME { "(too long)" } else { name }
}

fn text<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok()
}

/// The key that holds the URL, which may be any but the side keys; ours before others',
/// and of several of ours (another release may write more) the one that holds a URL.
fn url_key<'a>(secret: &'a Secret, fields: &OwnedFields) -> Option<&'a str> {
    let side = [DATA_METHOD, DATA_HEADERS, DATA_EXPIRES_AT];
    let keys: Vec<&str> = secret
        .data
        .iter()
        .flat_map(BTreeMap::keys)
        .map(String::as_str)
        .filter(|key| !side.contains(key))
        .collect();
    let is_url = |key: &str| text(secret, key).and_then(UrlParts::read).is_some();
    let mut of_ours = keys.iter().filter(|key| fields.is_ours(Field::Data(key)));
    let ours = of_ours.clone().find(|key| is_url(key)).or_else(|| of_ours.next());
    let usual = || keys.iter().find(|key| **key == DATA_URL);
    ours.or_else(usual).or_else(|| keys.iter().find(|key| is_url(key))).copied()
}

/// Everything of ours beside the URL as one text; `fields` names what is ours, all if absent.
/// What carries one of our names counts as ours whoever wrote it.
fn frame(secret: &Secret, url_key: Option<&str>, fields: Option<&OwnedFields>) -> String {
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
    for (name, value) in secret.data.iter().flatten().filter(|(name, _)| Some(name.as_str()) != url_key) {
        if is_ours(Field::Data(name)) {
            let _ = write!(text, "\nd {name:?} {:?}", value.0);
        }
    }
    text
}

#[cfg(test)]
mod tests;
