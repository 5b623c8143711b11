//! What becomes of the Secrets that an object wrote before `spec.secret.name` changed.
//!
//! Pods may still mount them: one that goes with its owner is deleted when its own URL has
//! expired, and a retained one stays and no longer names its owner.

use jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::json;

use crate::controller::context::Context;
use crate::controller::reconcile::error::{Failure, is_code};
use crate::controller::state::issued_secrets::SecretKey;
use crate::crd::names::{ANNOTATION_OWNER, OPERATOR};
use crate::domain::{Owner, Ownership, Stored};

/// Lets go of every Secret of the owner but its target, and says when the next one is due.
///
/// # Errors
/// What the API server or the way to it answered; a Secret that changed meanwhile is none.
pub async fn prune(ctx: &Context, owner: &Owner, target: &str) -> Result<Option<Timestamp>, Failure> {
    let mut next: Option<Timestamp> = None;
    for (key, stored) in ctx.facts.written_for(&owner.namespace, &owner.name) {
        if key.name == target || Ownership::of(&stored, owner) != Ownership::Ours {
            continue;
        }
        let expiry = stored.content.url.map(|url| url.validity.expiration_time());
        match (&stored.controller, expiry) {
            (None, _) => disown(ctx, &key, &stored).await?,
            (Some(_), Some(expiry)) if ctx.clock.now() < expiry => {
                next = Some(next.map_or(expiry, |next| next.min(expiry)));
            }
            (Some(_), _) => delete(ctx, &key, &stored).await?,
        }
    }
    Ok(next)
}

async fn delete(ctx: &Context, key: &SecretKey, stored: &Stored) -> Result<(), Failure> {
    let preconditions = Preconditions {
        uid: Some(stored.uid.to_string()),
        resource_version: Some(stored.resource_version.to_string()),
    };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let _turn = ctx.turn(i64::MAX).await?;
    done(ctx, key, "delete", ctx.secrets(&key.namespace).delete(&key.name, &params).await.map(drop))
}

async fn disown(ctx: &Context, key: &SecretKey, stored: &Stored) -> Result<(), Failure> {
    let patch = json!({"metadata": {
        "uid": stored.uid,
        "resourceVersion": stored.resource_version.to_string(),
        "annotations": {ANNOTATION_OWNER: null},
    }});
    let params = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
    let _turn = ctx.turn(i64::MAX).await?;
    let answer = ctx.secrets(&key.namespace).patch_metadata(&key.name, &params, &Patch::Merge(patch)).await;
    done(ctx, key, "let go of", answer.map(drop))
}

/// A Secret that changed or went meanwhile is looked at again when the watch shows it.
fn done(
    ctx: &Context,
    key: &SecretKey,
    action: &str,
    answer: Result<(), kube::Error>,
) -> Result<(), Failure> {
    match answer {
        Ok(()) => {
            tracing::debug!(
                namespace = key.namespace,
                secret = key.name,
                "{action} a Secret of an earlier name"
            );
        }
        Err(error) if is_code(&error, 404) || is_code(&error, 409) => {}
        Err(error) => return Err(Failure::api(format!("{action} Secret {:?}", key.name), error)),
    }
    ctx.facts.forget(key, u64::MAX);
    Ok(())
}
