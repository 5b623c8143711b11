//! Tokens of ServiceAccounts, for an STS. A token that the API server itself accepts is never sent away.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec, TokenReviewStatus};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::Value;
use tokio::time::Instant;

use super::SessionFailure;
use crate::controller::context::Context;
use crate::domain::Sensitive;
use crate::runtime::Key;
use crate::runtime::lock::Lock;
use crate::runtime::reviews::review_of;

/// How long a token is valid, in seconds: the shortest time that the API server permits.
const TOKEN_LIFETIME: i64 = 600;
/// How long the check of an audience counts.
const AUDIENCE_TTL: Duration = Duration::from_secs(3600);

/// The audiences that the API server did not accept.
#[derive(Default)]
pub(super) struct CheckedAudiences(Lock<HashMap<String, Instant>>);

/// A token of the ServiceAccount with this UID for an audience.
pub(super) async fn token(
    ctx: &Context,
    client: &Client,
    account: &Key,
    uid: &str,
    audience: &str,
) -> Result<Sensitive<String>, SessionFailure> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), account.namespace());
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![audience.to_owned()],
            expiration_seconds: Some(TOKEN_LIFETIME),
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
    // The request names no UID, so it may be of a ServiceAccount that was created again since it was read.
    let name = account.name().to_owned();
    match uid_of(token.expose()) {
        Some(found) if found == uid => {}
        Some(_) => {
            ctx.sessions.accounts.forget(account);
            return Err(SessionFailure::NoAccount { account: name });
        }
        None => {
            let why = "its token has no claim kubernetes.io.serviceaccount.uid".to_owned();
            return Err(SessionFailure::NoToken { account: name, why });
        }
    }
    check(ctx, client, audience, &token).await?;
    Ok(token)
}

/// The UID of the ServiceAccount in the claims of a token.
fn uid_of(token: &str) -> Option<String> {
    // The claims have the URL-safe alphabet and no padding, and this decoder expects the usual form.
    let mut claims = token.split('.').nth(1)?.replace('-', "+").replace('_', "/");
    claims.push_str(&"=".repeat((4 - claims.len() % 4) % 4));
    let ByteString(claims) = serde_json::from_value(claims.into()).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims["kubernetes.io"]["serviceaccount"]["uid"].as_str().map(str::to_owned)
}

/// Requires that the API server does not accept a token of this audience.
async fn check(
    ctx: &Context,
    client: &Client,
    audience: &str,
    token: &Sensitive<String>,
) -> Result<(), SessionFailure> {
    let CheckedAudiences(checked) = &ctx.sessions.audiences;
    if checked.read().get(audience).is_some_and(|then| then.elapsed() < AUDIENCE_TTL) {
        return Ok(());
    }
    if review(client, token, None).await?.authenticated.unwrap_or(false) {
        return Err(SessionFailure::Audience { audience: audience.to_owned() });
    }
    // That says nothing about the audience if the token itself is not valid, for example because its
    // ServiceAccount was deleted. If it is valid now, it was valid then.
    let status = review(client, token, Some(audience)).await?;
    let audiences = status.audiences.unwrap_or_default();
    if !status.authenticated.unwrap_or(false) || !audiences.iter().any(|found| found == audience) {
        return Err(SessionFailure::Api {
            why: format!("it does not confirm that a new token is valid for the audience {audience:?}"),
        });
    }
    checked.write().insert(audience.to_owned(), Instant::now());
    Ok(())
}

/// What the API server says about a token, for an audience or for itself.
async fn review(
    client: &Client,
    token: &Sensitive<String>,
    audience: Option<&str>,
) -> Result<TokenReviewStatus, SessionFailure> {
    review_of(client, token.expose(), audience).await.map_err(SessionFailure::of_review)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_uid_is_read_from_the_claims_and_from_nowhere_else() {
        let token = |claims: &Value| {
            let claims = serde_json::to_value(ByteString(claims.to_string().into_bytes())).unwrap();
            let claims = claims.as_str().unwrap().replace('+', "-").replace('/', "_");
            format!("header.{}.signature", claims.trim_end_matches('='))
        };
        let of = |more: &str| json!({"sub": more, "kubernetes.io": {"serviceaccount": {"uid": "u-1"}}});
        // Each length of the padding, and both characters that the alphabets differ in.
        for more in ["", "a", "ab", "abc", "\u{fe}\u{ff}>>>???"] {
            assert_eq!(uid_of(&token(&of(more))).as_deref(), Some("u-1"), "{more:?}");
        }
        for claims in [json!({}), json!({"kubernetes.io": {"pod": {"uid": "u-1"}}}), json!("u-1")] {
            assert_eq!(uid_of(&token(&claims)), None, "{claims}");
        }
        for token in ["", "u-1", "a.b", "a..c", "a.%.c"] {
            assert_eq!(uid_of(token), None, "{token:?}");
        }
    }
}
