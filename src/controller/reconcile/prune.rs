//! What becomes of the Secrets that an object wrote before `spec.secret.name` changed.
//!
//! Pods may still mount them: one that goes with its owner is deleted when its own URL has
//! expired, and a retained one stays and no longer names its owner. Only what our own entry in
//! `managedFields` proves is touched: a copy that a person made is theirs.

use jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::json;

use super::error::{Failure, is_code};
use super::observe::Observed;
use crate::controller::context::Context;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::crd::names::{ANNOTATION_OWNER, OPERATOR};
use crate::domain::{Ownership, Stored};
use crate::runtime::Key;

/// Lets go of every Secret of the owner but its target, and says when the next one is due.
///
/// # Errors
/// What the API server or the way to it answered; a Secret that changed meanwhile is none.
pub async fn prune(
    ctx: &Context,
    object: &LeanPresignedUrl,
    observed: &Observed,
) -> Result<Option<Timestamp>, Failure> {
    let Some(request) = observed.request() else { return Ok(None) };
    let owner = Key::new(&observed.owner.namespace, &observed.owner.name);
    let mut next: Option<Timestamp> = None;
    for (key, stored) in ctx.issued_secrets.written_for(&owner) {
        let is_ours = Ownership::of(&stored, &observed.owner) == Ownership::Ours && stored.is_label_ours;
        if key.name() == request.target.name || !is_ours {
            continue;
        }
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

async fn delete(ctx: &Context, key: &Key, stored: &Stored) -> Result<(), Failure> {
    let preconditions = Preconditions {
        uid: Some(stored.uid.to_string()),
        resource_version: Some(stored.resource_version.to_string()),
    };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let answer = ctx.secrets(key.namespace()).delete(key.name(), &params).await;
    done(ctx, key, stored, "delete", answer.map(drop))
}

async fn disown(ctx: &Context, key: &Key, stored: &Stored) -> Result<(), Failure> {
    let patch = json!({"metadata": {
        "uid": stored.uid,
        "resourceVersion": stored.resource_version.to_string(),
        "annotations": {ANNOTATION_OWNER: null},
    }});
    let params = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
    let answer = ctx.secrets(key.namespace()).patch_metadata(key.name(), &params, &Patch::Merge(patch)).await;
    done(ctx, key, stored, "let go of", answer.map(drop))
}

/// A Secret that changed or went meanwhile is looked at again when the watch shows it.
fn done(
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
