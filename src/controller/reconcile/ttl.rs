//! Deletes a `PresignedUrl` some time after its URL ended, as `spec.ttlAfterExpired` asks.

use kube::api::{DeleteParams, Preconditions};

use super::error::{Failure, is_code};
use crate::controller::context::Context;
use crate::controller::state::lean::LeanPresignedUrl;

/// Deletes an object, if it is still the version that was reconciled.
///
/// # Errors
/// The failure of the request. An object that changed meanwhile is reconciled again, and one that is gone
/// is no error.
pub(super) async fn delete_after_ttl(ctx: &Context, object: &LeanPresignedUrl) -> Result<(), Failure> {
    ctx.require_live(object)?;
    let preconditions = Preconditions {
        uid: Some(object.uid().to_owned()),
        resource_version: object.metadata.resource_version.clone(),
    };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let owner = object.owner();
    match ctx.presigned_urls(&owner.namespace).delete(&owner.name, &params).await {
        Ok(_) => {
            tracing::info!(
                namespace = owner.namespace,
                name = owner.name,
                "deleted after spec.ttlAfterExpired"
            );
            Ok(())
        }
        Err(error) if is_code(&error, 404) => Ok(()),
        Err(error) if is_code(&error, 409) => Err(Failure::Superseded),
        Err(error) => {
            let action = "delete this PresignedUrl, as spec.ttlAfterExpired asks (chart value deleteExpired)";
            Err(Failure::api(action, error))
        }
    }
}
