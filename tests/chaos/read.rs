//! What objects and Secrets say, read from them.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use presign_operator::crd::names::{
    ANNOTATION_OWNER, DATA_EXPIRES_AT, DATA_URL, KIND, LABEL_MANAGED, OPERATOR,
};
use presign_operator::crd::{PresignedUrl, READY};

use crate::harness::{condition, ready};

pub fn is_labelled(secret: &Secret) -> bool {
    secret.labels().get(LABEL_MANAGED).is_some_and(|value| value == "true")
}

/// The object that a Secret says it belongs to, and its UID if that is a reference.
pub fn owner_of(secret: &Secret) -> Option<(String, Option<String>)> {
    let controller = secret.owner_references().iter().find(|owner| owner.kind == KIND);
    if let Some(controller) = controller {
        return Some((controller.name.clone(), Some(controller.uid.clone())));
    }
    let owner = secret.annotations().get(ANNOTATION_OWNER).filter(|_| is_labelled(secret))?;
    Some((owner.clone(), None))
}

pub fn is_of(secret: &Secret, object: &PresignedUrl) -> bool {
    owner_of(secret)
        .is_some_and(|(owner, uid)| owner == object.name_any() && (uid.is_none() || uid == object.uid()))
}

pub fn is_current(object: &PresignedUrl) -> bool {
    let generation = object.metadata.generation;
    condition(object, READY).is_some_and(|ready| ready.observed_generation == generation)
}

pub fn is_ready(object: &PresignedUrl) -> bool {
    ready(object).is_some_and(|ready| ready.status == "True")
}

pub fn is_suspended(object: &PresignedUrl) -> bool {
    object.spec.suspend == Some(true)
}

pub fn target_of(object: &PresignedUrl) -> String {
    let named = object.spec.secret.as_ref().and_then(|secret| secret.name.clone());
    named.unwrap_or_else(|| object.name_any())
}

pub fn url_key(object: &PresignedUrl) -> &str {
    object.spec.secret.as_ref().and_then(|secret| secret.url_key.as_deref()).unwrap_or(DATA_URL)
}

pub fn text(secret: &Secret, key: &str) -> Option<String> {
    String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok()
}

/// When the URL of a Secret ends.
pub fn expires_at(secret: &Secret) -> Option<Timestamp> {
    text(secret, DATA_EXPIRES_AT)?.parse().ok()
}

/// The time.
#[expect(clippy::disallowed_methods, reason = "this is a program of its own")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The status in a line.
pub fn readiness(object: &PresignedUrl) -> String {
    let Some(status) = &object.status else { return "no status".to_owned() };
    let ready =
        ready(object).map(|ready| format!("Ready {} {} ({})", ready.status, ready.reason, ready.message));
    format!("{} for generation {:?}", ready.unwrap_or_default(), status.observed_generation)
}

/// Whether the operator is among those who own fields of a Secret.
pub fn is_written_by_us(secret: &Secret) -> bool {
    secret.managed_fields().iter().any(|entry| entry.manager.as_deref() == Some(OPERATOR))
}
