//! Finds the credentials: in the cache, or at the API server when the cache does not hold them.

use std::sync::Arc;

use super::error::Failure;
use super::observe::Observed;
use super::target::read_outcome;
use crate::controller::context::{Context, SAFETY_NET};
use crate::controller::sessions::{SessionWish, obtain};
use crate::controller::state::credentials::{CachedCredentials, KeySelection};
use crate::domain::plan::{Action, plan};
use crate::domain::reason::FailureReason;
use crate::domain::status::Problem;
use crate::domain::{Credentials, Request};
use crate::runtime::Key;

/// Reads the credentials, unless the cache holds them or the object is in backoff.
pub(super) async fn read_credentials(
    ctx: &Context,
    observed: &mut Observed,
    request: &Request,
    is_awaited: bool,
) -> Result<(), Failure> {
    let Some((key, selection)) = KeySelection::of_request(request) else {
        observed.expect_session(None);
        return Ok(());
    };
    if is_awaited {
        // One read serves all objects that wait for this Secret.
        let then = observed.begun.checked_sub(SAFETY_NET / 2).unwrap_or(observed.begun);
        ctx.credentials.drop_older(&key, then);
    }
    let cached = ctx.credentials.cached(&key, &selection);
    let backoff = observed.history.backoff(&observed.inputs, observed.now);
    let data = match (cached, backoff) {
        (Some(cached), _) => Ok(cached),
        (None, Some((problem, _))) => Err(problem.clone()),
        (None, None) => read_outcome(read(ctx, &key, &selection, request).await)?,
    };
    observed.credentials = data.and_then(|cached| {
        observed.inputs.credentials = cached.resource_version;
        observed.credentials_read = Some(cached.read);
        require_usable(&cached, request).map_err(|failure| failure.problem())
    });
    if request.credentials.has_session()
        && let Ok(base) = &observed.credentials
    {
        observed.expect_session(Some(base.clone()));
    }
    Ok(())
}

/// Reads the access key of a request, unless the cache holds it.
///
/// # Errors
/// The failure of the read. A user of a signer is not told what the API server answered.
pub(in crate::controller) async fn read(
    ctx: &Context,
    key: &Key,
    selection: &KeySelection,
    request: &Request,
) -> Result<Arc<CachedCredentials>, Failure> {
    ctx.credentials.get(ctx, key, selection).await.map_err(|error| {
        let failure = Failure::api(format!("read the credentials {}", request.credentials.place()), error);
        match (&failure, &request.credentials.signer) {
            (Failure::Api { .. }, Some(signer)) => {
                tracing::debug!(%signer, "{failure}");
                Failure::SignerUnreadable { signer: signer.clone() }
            }
            _ => failure,
        }
    })
}

impl Observed {
    /// Leaves the credentials to a session, which begins with an access key if there is one, and is got when
    /// it is needed.
    fn expect_session(&mut self, base: Option<Arc<Credentials>>) {
        let message = "a session was not requested yet".to_owned();
        self.credentials = Err(Problem::retried(FailureReason::CredentialsUnavailable, message));
        self.can_get_session = true;
        self.base = base;
    }
}

/// Gets a session if the plan needs one.
///
/// # Errors
/// [`Failure::AwaitingSession`] when one was asked for.
pub(super) async fn find_session(
    ctx: &Context,
    observed: &mut Observed,
    request: &Request,
) -> Result<(), Failure> {
    if !observed.can_get_session {
        return Ok(());
    }
    let Action::GetSession { need, .. } = plan(&observed.observation()).action else { return Ok(()) };
    let wish = SessionWish {
        owner: &observed.owner,
        request,
        signer: observed.signer.as_deref(),
        base: observed.base.clone(),
        need,
        now: observed.now,
    };
    observed.credentials = obtain(ctx, wish).await?;
    observed.can_get_session = false;
    Ok(())
}

/// The credentials, or why there are none. A user of a signer is not told what its Secret holds.
pub(in crate::controller) fn require_usable(
    cached: &CachedCredentials,
    request: &Request,
) -> Result<Arc<Credentials>, Failure> {
    let of_signer = |reason| {
        request.credentials.signer.clone().map(|signer| Failure::SignerCredentials { signer, reason })
    };
    match &cached.credentials {
        Some(Ok(credentials)) => Ok(credentials.clone()),
        Some(Err(error)) => {
            Err(of_signer(FailureReason::CredentialsInvalid).unwrap_or_else(|| error.clone().into()))
        }
        None => Err(of_signer(FailureReason::CredentialsNotFound).unwrap_or_else(|| {
            let secret = request.credentials.secret().map(|reference| reference.name.clone());
            Failure::CredentialsNotFound { secret: secret.unwrap_or_default() }
        })),
    }
}
