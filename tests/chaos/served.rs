//! What a person relies on: what is Ready works, and what can be issued is issued.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use presign_operator::crd::names::{
    ANNOTATION_SIGNING_TIME, DATA_EXPIRES_AT, DATA_HEADERS, DATA_METHOD, OPERATOR,
};
use presign_operator::crd::{self, DeletionPolicy, PresignedUrl, Verify};

use crate::download::Download;
use crate::harness::condition;
use crate::history::Violation;
use crate::invariants::{CONVERGED, Name, READY_WORKS, Stored, VERIFIED};
use crate::read::{
    is_current, is_labelled, is_of, is_ready, is_suspended, now, readiness, target_of, text, url_key,
};

/// The reasons of Verified where there is no answer of the store.
const UNASKED: [&str; 2] = ["NotAsked", "Unreachable"];

/// c and g; what is to be downloaded is handed back.
pub fn object_is_served(
    broken: &mut Vec<Violation>,
    name: &Name,
    object: &PresignedUrl,
    stored: &Stored,
) -> Option<Download> {
    let mut accuse = |rule, detail: String| {
        let detail = format!("{detail}; it says {}", readiness(object));
        broken.push(Violation::new(rule, &name.0, &name.1, detail));
    };
    let target = target_of(object);
    let secret = stored.secrets.get(&(name.0.clone(), target.clone()));
    if !is_current(object) {
        accuse(CONVERGED, "its generation is not reported".to_owned());
        return None;
    }
    if !is_ready(object) {
        if !is_suspended(object) && secret.is_none_or(|secret| is_of(secret, object)) {
            accuse(CONVERGED, "nothing is in its way, and it is not Ready".to_owned());
        }
        return None;
    }
    let Some(secret) = secret else {
        accuse(READY_WORKS, format!("there is no Secret {target}"));
        return None;
    };
    if let Some(wrong) = mismatch(object, secret) {
        accuse(READY_WORKS, wrong);
    }
    if is_suspended(object) {
        // What exists stays, whatever becomes of the keys.
        return None;
    }
    if let Some(wrong) = refusal(object) {
        accuse(VERIFIED, wrong);
    }
    let url = text(secret, url_key(object))?;
    Some(Download {
        namespace: name.0.clone(),
        object: name.1.clone(),
        method: text(secret, DATA_METHOD)?,
        url,
    })
}

/// What is wrong with the condition Verified. It is Unknown where the process ended that was to ask.
fn refusal(object: &PresignedUrl) -> Option<String> {
    object.spec.verify.filter(|verify| *verify != Verify::None)?;
    match condition(object, crd::VERIFIED) {
        None => Some("it has no condition Verified".to_owned()),
        // A process that stood still while it asked has no answer either.
        Some(verified)
            if verified.status == "False"
                || (verified.status == "Unknown" && !UNASKED.contains(&verified.reason.as_str())) =>
        {
            Some(format!("Verified is {}: {} ({})", verified.status, verified.reason, verified.message))
        }
        Some(_) => None,
    }
}

/// Whether the store has accepted the URL of the current spec.
pub fn is_accepted(object: &PresignedUrl) -> bool {
    condition(object, crd::VERIFIED).is_some_and(|verified| {
        verified.status == "True" && verified.observed_generation == object.metadata.generation
    })
}

/// What a Ready object and its Secret disagree about.
fn mismatch(object: &PresignedUrl, secret: &Secret) -> Option<String> {
    let status = object.status.as_ref()?;
    let spec = &object.spec;
    let asked = spec.secret.clone().unwrap_or_default();
    let time = |time: &Option<Time>| time.as_ref().map(|time| time.0.to_string());
    let signed = secret.annotations().get(ANNOTATION_SIGNING_TIME).cloned();
    let keys = [url_key(object), DATA_METHOD, DATA_HEADERS, DATA_EXPIRES_AT];
    let stored: Vec<_> = secret.data.iter().flatten().map(|(key, _)| key.as_str()).collect();
    // Somebody's own data may stay, but not a URL that nobody renews.
    let is_old_url = |key: &str| {
        !keys.contains(&key) && text(secret, key).is_some_and(|text| text.contains("X-Amz-Signature"))
    };
    let url = text(secret, url_key(object)).unwrap_or_default();
    let is_owned = secret.owner_references().iter().any(|owner| Some(&owner.uid) == object.uid().as_ref());
    let turn = asked.labels.as_ref().and_then(|labels| labels.get("turn"));
    let is_retained = asked.deletion_policy == Some(DeletionPolicy::Retain);
    let expiry = text(secret, DATA_EXPIRES_AT);
    if expiry.as_deref().and_then(|text| text.parse().ok()).is_none_or(|expiry: Timestamp| expiry < now()) {
        return Some(format!("the URL of Secret {} ended at {expiry:?}", secret.name_any()));
    }
    if expiry != time(&status.expiration_time) || signed != time(&status.signing_time) {
        let told = (time(&status.signing_time), time(&status.expiration_time));
        return Some(format!("the Secret says {signed:?} to {expiry:?}, the status {told:?}"));
    }
    if status.secret_name.as_deref() != Some(&secret.name_any()) {
        return Some(format!("the status names {:?}", status.secret_name));
    }
    if is_suspended(object) {
        return None;
    }
    if keys.iter().any(|key| !stored.contains(key)) || stored.iter().any(|key| is_old_url(key)) {
        return Some(format!("the Secret has the keys {stored:?}"));
    }
    if status.location.as_deref().is_none_or(|location| !url.starts_with(location)) {
        return Some(format!("the URL does not begin with {:?}", status.location));
    }
    let method = spec.method.unwrap_or_default().to_string();
    if text(secret, DATA_METHOD) != Some(method.clone()) {
        return Some(format!("the Secret is not for {method}"));
    }
    if is_owned == is_retained {
        return Some(format!("retained: {is_retained}, with an owner reference: {is_owned}"));
    }
    // What was rendered before managedFields were reset, and no longer at the first look after
    // that, is not known to be the operator's.
    let is_left = turn.is_none() && !is_recorded(secret, "turn");
    if (secret.labels().get("turn") != turn && !is_left) || !is_labelled(secret) {
        return Some(format!("the labels are {:?}", secret.labels()));
    }
    None
}

/// Whether `managedFields` say that the operator set this label.
fn is_recorded(secret: &Secret, label: &str) -> bool {
    let ours = secret.managed_fields().iter().filter(|e| e.manager.as_deref() == Some(OPERATOR));
    let mut fields = ours.filter_map(|entry| entry.fields_v1.as_ref());
    fields.any(|fields| !fields.0["f:metadata"]["f:labels"][format!("f:{label}")].is_null())
}
