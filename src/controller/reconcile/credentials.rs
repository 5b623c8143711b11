//! Finds the credentials: in the cache, or at the API server when the cache does not hold them.

use std::sync::Arc;

use super::error::Failure;
use super::observe::Observed;
use super::target::told;
use crate::controller::context::{Context, SAFETY_NET};
use crate::controller::state::credentials::{KeySelection, KnownCredentials};
use crate::domain::reason::FailureReason;
use crate::domain::{Credentials, Request};
use crate::runtime::Key;

/// Reads the credentials, unless the cache holds them or the object is in backoff.
pub(super) async fn credentials(
    ctx: &Context,
    observed: &mut Observed,
    request: &Request,
    is_awaited: bool,
) -> Result<(), Failure> {
    let (key, selection) = (Key::from(&request.credentials), KeySelection::from(request));
    if is_awaited {
        // One read serves all objects that wait for this Secret.
        let then = observed.begun.checked_sub(SAFETY_NET / 2).unwrap_or(observed.begun);
        ctx.credentials.drop_older(&key, then);
    }
    let known = ctx.credentials.known(&key, &selection);
    let held = observed.history.held(&observed.inputs, observed.now);
    let data = match (known, held) {
        (Some(known), _) => Ok(known),
        (None, Some((problem, _))) => Err(problem.clone()),
        (None, None) => {
            let read = ctx.credentials.get(ctx, &key, &selection).await.map_err(|error| {
                let failure =
                    Failure::api(format!("read the credentials {}", request.credentials.place()), error);
                match (&failure, &request.credentials.signer) {
                    (Failure::Api { .. }, Some(signer)) => {
                        tracing::debug!(%signer, "{failure}");
                        Failure::SignerUnreadable { signer: signer.clone() }
                    }
                    _ => failure,
                }
            });
            told(read)?
        }
    };
    observed.credentials = data.and_then(|known| {
        observed.inputs.credentials = known.resource_version;
        observed.credentials_read = Some(known.read);
        usable(&known, request).map_err(|failure| failure.problem())
    });
    Ok(())
}

/// The credentials, or why there are none. A user of a signer is not told what its Secret holds.
fn usable(known: &KnownCredentials, request: &Request) -> Result<Arc<Credentials>, Failure> {
    let of_signer = |reason| {
        request.credentials.signer.clone().map(|signer| Failure::SignerCredentials { signer, reason })
    };
    match &known.credentials {
        Some(Ok(credentials)) => Ok(credentials.clone()),
        Some(Err(error)) => {
            Err(of_signer(FailureReason::CredentialsInvalid).unwrap_or_else(|| error.clone().into()))
        }
        None => Err(of_signer(FailureReason::CredentialsNotFound).unwrap_or_else(|| {
            Failure::CredentialsNotFound { secret: request.credentials.reference.name.clone() }
        })),
    }
}
