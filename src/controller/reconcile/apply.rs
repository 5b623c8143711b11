//! Step 5: the one Secret is written whole, by server-side apply, and never a foreign one.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::core::ObjectMeta;

use crate::controller::context::Context;
use crate::controller::reconcile::error::{Failure, is_code};
use crate::controller::state::issued_secrets::SecretKey;
use crate::crd::names::OPERATOR;
use crate::domain::{IssuedSecret, Ownership, Request, Stored, has_other_managers};

/// Writes a rendered Secret and returns what is stored now.
///
/// # Guarantees
/// `onto` is the Secret that was decided on: its UID and resource version go into the
/// write, so that a process which was asleep cannot overwrite newer work. Without `onto`
/// the Secret is created; one that appeared meanwhile keeps what it had, and what the
/// apply merged into it is withdrawn.
///
/// # Errors
/// [`Failure::Outdated`] when the Secret is not what was decided on: look again.
pub async fn apply(
    ctx: &Context,
    key: &SecretKey,
    rendered: IssuedSecret,
    onto: Option<&Stored>,
) -> Result<Stored, Failure> {
    let mut secret = rendered.into_secret();
    let mut params = PatchParams::apply(OPERATOR);
    if let Some(onto) = onto {
        secret.metadata.uid = Some(onto.uid.to_string());
        secret.metadata.resource_version = Some(onto.resource_version.to_string());
        params = params.force();
    }
    match ctx.secrets(&key.namespace).patch(&key.name, &params, &Patch::Apply(&secret)).await {
        Ok(answer) if onto.is_none() && has_other_managers(&answer.metadata) => {
            withdraw(ctx, key, &Stored::read(&answer)).await?;
            Err(Failure::Outdated)
        }
        Ok(answer) => {
            let stored = Stored::read(&answer);
            ctx.facts.learn(key, stored.clone());
            Ok(stored)
        }
        Err(error) if is_outdated(&error) => {
            ctx.facts.forget(key, u64::MAX);
            Err(Failure::Outdated)
        }
        Err(error) => Err(Failure::api(format!("write Secret {:?}", key.name), error)),
    }
}

/// Takes everything of ours out of a Secret that somebody else created in the moment
/// between our look and our write.
pub async fn withdraw(ctx: &Context, key: &SecretKey, merged: &Stored) -> Result<(), Failure> {
    let nothing = Secret {
        metadata: ObjectMeta {
            name: Some(key.name.clone()),
            namespace: Some(key.namespace.clone()),
            uid: Some(merged.uid.to_string()),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    };
    ctx.facts.forget(key, u64::MAX);
    match ctx
        .secrets(&key.namespace)
        .patch(&key.name, &PatchParams::apply(OPERATOR).force(), &Patch::Apply(&nothing))
        .await
    {
        // A watch may still be about to show what it was between the two writes.
        Ok(answer) => {
            ctx.facts.learn(key, Stored::read(&answer));
            Ok(())
        }
        // It went, or another one came: nothing of ours is in it.
        Err(error) if is_outdated(&error) || is_code(&error, 404) => Ok(()),
        Err(error) => Err(Failure::api(format!("withdraw from Secret {:?}", key.name), error)),
    }
}

/// Whether the Secret may be written, as a failure if not.
pub fn permit(stored: &Stored, ownership: Ownership, request: &Request) -> Result<(), Failure> {
    let conflict = |why: String| Err(Failure::SecretConflict { secret: request.target.name.clone(), why });
    match ownership {
        Ownership::Ours if stored.is_fixed => conflict(
            "is immutable or not of type Opaque, so no new URL can be written into it: delete it, or choose another spec.secret.name"
                .to_owned(),
        ),
        Ownership::Ours => Ok(()),
        _ if request.target.name == request.credentials.name => conflict(
            "holds the credentials, so the URL needs another one: choose another spec.secret.name (default: the name of the PresignedUrl)"
                .to_owned(),
        ),
        Ownership::Merged | Ownership::Foreign | Ownership::Predecessors => match &stored.controller {
            Some(controller) if controller.is_presigned_url => conflict(format!(
                "belongs to PresignedUrl {:?}: choose another spec.secret.name",
                controller.name
            )),
            _ => conflict(
                "exists and was not written for this PresignedUrl: it is left alone; choose another spec.secret.name or delete it"
                    .to_owned(),
            ),
        },
    }
}

/// Whether a write failed because the Secret is not the one that was decided on: another
/// version, another UID or, for one that appeared meanwhile, a field that stands against
/// ours. Seen on 1.37: a UID that differs is a 422, one without an object a 409.
fn is_outdated(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    let names =
        |field: &str| status.details.iter().flat_map(|details| &details.causes).any(|c| c.field == field);
    status.code == 409 || (status.code == 422 && (names("metadata.uid") || names("type")))
}
