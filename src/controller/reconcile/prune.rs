//! Prunes the Secrets that were written for an object before its `spec.secret.name` changed, or empties
//! them when its signer withdraws its URLs.
//!
//! Pods may still mount them. A Secret with an owner reference is deleted when its own URL has expired.
//! A retained Secret stays, and loses the annotation that names its owner. The operator prunes only
//! Secrets whose label it owns by its entry in `managedFields`: a copy that a user made is not touched.

use jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::json;

use super::apply::empty_secret;
use super::error::{Failure, is_code};
use super::observe::Observed;
use crate::controller::context::Context;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::crd::names::{ANNOTATION_OWNER, OPERATOR};
use crate::domain::ended::EndReason;
use crate::domain::{Ownership, Stored};
use crate::runtime::Key;

/// Deletes or releases every Secret of the owner except its target, and returns when the next one is
/// due.
///
/// # Errors
/// The failure of a request to the API server. A Secret that changed meanwhile is not an error.
pub async fn prune(
    ctx: &Context,
    object: &LeanPresignedUrl,
    observed: &Observed,
) -> Result<Option<Timestamp>, Failure> {
    let mut next: Option<Timestamp> = None;
    for (key, stored) in secrets_of_earlier_names(ctx, observed) {
        let expiry = stored.content.url.map(|url| url.validity.expiration_time());
        match (&stored.controller, expiry) {
            (None, _) => {
                ctx.require_live(object)?;
                disown(ctx, &key, &stored).await?;
            }
            (Some(_), Some(expiry)) if ctx.clock.now() < expiry => {
                next = Some(next.map_or(expiry, |next| next.min(expiry)));
            }
            (Some(_), _) => {
                ctx.require_live(object)?;
                delete(ctx, &key, &stored).await?;
            }
        }
    }
    Ok(next)
}

/// Empties the URLs in the Secrets of earlier names, because the signer withdraws them. Where Secrets are
/// read by name, only those that were written in this term are known.
///
/// # Errors
/// The failure of a request to the API server.
pub async fn withdraw(ctx: &Context, object: &LeanPresignedUrl, observed: &Observed) -> Result<(), Failure> {
    let mut result = Ok(());
    for (key, stored) in secrets_of_earlier_names(ctx, observed) {
        // One that cannot be written must not keep the others.
        if stored.content.url.is_some() && !stored.is_fixed {
            result = result
                .and(empty_secret(ctx, object, observed, &key, &stored, (EndReason::Denied, None)).await);
        }
    }
    result
}

/// The Secrets that were written for the object under an earlier `spec.secret.name`.
fn secrets_of_earlier_names(ctx: &Context, observed: &Observed) -> Vec<(Key, Stored)> {
    let Some(request) = observed.request() else { return Vec::new() };
    let owner = Key::new(&observed.owner.namespace, &observed.owner.name);
    let is_ours =
        |stored: &Stored| Ownership::of(stored, &observed.owner) == Ownership::Ours && stored.is_label_ours;
    let written = ctx.issued_secrets.written_for(&owner).into_iter();
    written.filter(|(key, stored)| key.name() != request.target.name && is_ours(stored)).collect()
}

async fn delete(ctx: &Context, key: &Key, stored: &Stored) -> Result<(), Failure> {
    let preconditions = Preconditions {
        uid: Some(stored.uid.to_string()),
        resource_version: Some(stored.resource_version.to_string()),
    };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let answer = ctx.secrets(key.namespace()).delete(key.name(), &params).await;
    require_gone(ctx, key, stored, "delete", answer.map(drop))
}

async fn disown(ctx: &Context, key: &Key, stored: &Stored) -> Result<(), Failure> {
    let patch = json!({"metadata": {
        "uid": stored.uid,
        "resourceVersion": stored.resource_version.to_string(),
        "annotations": {ANNOTATION_OWNER: null},
    }});
    let params = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
    let answer = ctx.secrets(key.namespace()).patch_metadata(key.name(), &params, &Patch::Merge(patch)).await;
    require_gone(ctx, key, stored, "release", answer.map(drop))
}

/// Removes the Secret from the cache after a successful call, and also when it changed or was deleted
/// meanwhile: the watch then brings the newer version.
fn require_gone(
    ctx: &Context,
    key: &Key,
    stored: &Stored,
    action: &str,
    answer: Result<(), kube::Error>,
) -> Result<(), Failure> {
    match answer {
        Ok(()) => {
            tracing::debug!(
                namespace = key.namespace(),
                secret = key.name(),
                "{action} a Secret of an earlier name"
            );
        }
        Err(error) if is_code(&error, 404) || is_code(&error, 409) => {}
        Err(error) => return Err(Failure::api(format!("{action} Secret {:?}", key.name()), error)),
    }
    ctx.issued_secrets.remove(key, stored.resource_version);
    Ok(())
}
