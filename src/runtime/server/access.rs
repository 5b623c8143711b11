//! Access control of a page, by what the API server answers about the bearer token of a request.
//!
//! It works as in the metrics server of controller-runtime: a `TokenReview` returns the user of the
//! token, and a `SubjectAccessReview` whether that user may `get` the path.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hyper::HeaderMap;
use k8s_openapi::api::authentication::v1::UserInfo;
use k8s_openapi::api::authorization::v1::{NonResourceAttributes, SubjectAccessReviewSpec};
use kube::Client;

use crate::runtime::server::reviews::{
    Refusal, ReviewKey, ReviewSettings, Reviewer, access_of, bearer, is_allowed, review_of, user_of,
};

const TERMS: ReviewSettings = ReviewSettings {
    // A revoked token can read for that much longer, and a permission that was granted takes effect that
    // much later.
    granted_for: Duration::from_secs(60),
    refused_for: Duration::from_secs(10),
    most_verdicts: 256,
    at_once: 4,
    of_peer: 1,
    purpose: "who may read metrics",
};

/// Decides who may read a page, by asking the API server.
///
/// # Guarantees
/// A request is refused when the API server cannot be asked. Only digests of tokens are kept.
pub struct Access {
    client: Client,
    reviewer: Reviewer<()>,
}

impl Access {
    /// Asks through `client`. A standby asks too, so the client must send writes without leadership.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, reviewer: Reviewer::new(TERMS) }
    }

    /// Whether a request of this peer with these headers may `get` the path.
    pub(super) async fn judge(&self, peer: IpAddr, headers: &HeaderMap, path: &str) -> Result<(), Refusal> {
        let token = bearer(headers).ok_or(Refusal::Unauthenticated)?;
        // A path contains no NUL, so path and token cannot be confused.
        let key = ReviewKey::of(&[path, token]);
        let client = self.client.clone();
        self.reviewer.judge(peer, key, || ask(client, token.to_owned(), path.to_owned())).await
    }
}

async fn ask(client: Client, token: String, path: String) -> Result<Result<(), Refusal>, kube::Error> {
    let status = review_of(&client, &token, None).await?;
    let Some(user) = user_of(status) else { return Ok(Err(Refusal::Unauthenticated)) };
    let is_allowed = is_allowed(&client, access_review(user, &path)).await?;
    Ok(if is_allowed { Ok(()) } else { Err(Refusal::Forbidden) })
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Access")
    }
}

fn access_review(user: UserInfo, path: &str) -> SubjectAccessReviewSpec {
    let attributes = NonResourceAttributes { path: Some(path.to_owned()), verb: Some("get".to_owned()) };
    SubjectAccessReviewSpec { non_resource_attributes: Some(attributes), ..access_of(user) }
}
