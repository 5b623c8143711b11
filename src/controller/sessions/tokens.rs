//! Tokens of ServiceAccounts, for an STS. A token that the API server itself accepts is never sent away.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec, TokenReview, TokenReviewSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;
use tokio::time::Instant;

use super::SessionFailure;
use crate::controller::context::Context;
use crate::domain::Sensitive;
use crate::runtime::Key;
use crate::runtime::lock::Lock;

/// How long a token is valid, in seconds: the shortest time that the API server permits.
const VALID: i64 = 600;
/// How long the check of an audience counts.
const CHECKED: Duration = Duration::from_secs(3600);

/// The audiences that the API server did not accept.
#[derive(Default)]
pub(super) struct CheckedAudiences(Lock<HashMap<String, Instant>>);

/// A token of a ServiceAccount for an audience.
pub(super) async fn token(
    ctx: &Context,
    account: &Key,
    audience: &str,
) -> Result<Sensitive<String>, SessionFailure> {
    let accounts: Api<ServiceAccount> = Api::namespaced(ctx.client.clone(), account.namespace());
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![audience.to_owned()],
            expiration_seconds: Some(VALID),
            bound_object_ref: None,
        },
        ..TokenRequest::default()
    };
    let answer = accounts.create_token_request(account.name(), &PostParams::default(), &request).await;
    let answer = answer.map_err(|error| SessionFailure::of_token(account.name(), error))?;
    let token = Sensitive::new(answer.status.map(|status| status.token).unwrap_or_default());
    if answer.spec.audiences != [audience] {
        return Err(SessionFailure::Audience { audience: audience.to_owned() });
    }
    check(ctx, audience, &token).await?;
    Ok(token)
}

/// Requires that the API server does not accept a token of this audience.
async fn check(ctx: &Context, audience: &str, token: &Sensitive<String>) -> Result<(), SessionFailure> {
    let CheckedAudiences(checked) = &ctx.sessions.audiences;
    if checked.read().get(audience).is_some_and(|then| then.elapsed() < CHECKED) {
        return Ok(());
    }
    let review = TokenReview {
        spec: TokenReviewSpec { token: Some(token.expose().clone()), audiences: None },
        ..TokenReview::default()
    };
    let reviews: Api<TokenReview> = Api::all(ctx.client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await;
    let status = answer.map_err(SessionFailure::of_review)?.status.unwrap_or_default();
    if status.authenticated.unwrap_or(false) {
        return Err(SessionFailure::Audience { audience: audience.to_owned() });
    }
    checked.write().insert(audience.to_owned(), Instant::now());
    Ok(())
}
