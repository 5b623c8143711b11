//! Access control of a page, by what the API server answers about the bearer token of a request.
//!
//! It works as in the metrics server of controller-runtime: a `TokenReview` returns the user of the
//! token, and a `SubjectAccessReview` whether that user may `get` the path.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::runtime::server::turns::Turns;

/// How long a verdict is cached. A revoked token can read for that much longer, and a permission that was
/// granted takes effect that much later.
const GRANTED_FOR: Duration = Duration::from_secs(60);
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// How many verdicts are cached.
const MAX_VERDICTS: usize = 256;
/// How many tokens are reviewed at a time. Of one peer only one is.
const MAX_ASKED: usize = 4;
/// How long the next review waits after a refusal, because invented tokens could cause many reviews.
const REST: Duration = Duration::from_millis(100);
/// How long a request waits for its verdict.
const PATIENCE: Duration = Duration::from_secs(5);

/// Decides who may read a page, by asking the API server.
///
/// # Guarantees
/// A request is refused when the API server cannot be asked. Only digests of tokens are kept.
pub struct Access {
    client: Client,
    verdicts: Mutex<Verdicts>,
    asked: Semaphore,
    turns: Turns,
    is_in_trouble: Mutex<bool>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The request has no token, or one that the API server does not know.
    Unauthenticated,
    /// The user of the token has no permission.
    Forbidden,
    /// The API server could not be asked.
    Unavailable,
}

type AccessVerdict = Result<(), Refusal>;

impl Access {
    /// Asks through `client`. A standby asks too, so the client must send writes without leadership.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            verdicts: Mutex::default(),
            asked: Semaphore::new(MAX_ASKED),
            turns: Turns::default(),
            is_in_trouble: Mutex::default(),
        }
    }

    /// Whether a request of this peer with these headers may `get` the path.
    pub(super) async fn judge(&self, peer: IpAddr, headers: &HeaderMap, path: &str) -> AccessVerdict {
        let token = bearer(headers).ok_or(Refusal::Unauthenticated)?;
        let key = TokenDigest::of(token, path);
        let known = || self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(&key, Instant::now());
        if let Some(verdict) = known() {
            return verdict;
        }
        let asked = async {
            let _turn = self.turns.take(peer).await;
            let _permit = self.asked.acquire().await;
            // Another request may have got the verdict meanwhile.
            if let Some(verdict) = known() {
                return verdict;
            }
            let answer = self.ask(token, path).await;
            self.tell(answer.as_ref().err());
            let Ok(verdict) = answer else { return Err(Refusal::Unavailable) };
            if verdict.is_err() {
                sleep(REST).await;
            }
            let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
            verdicts.put(key.clone(), verdict, Instant::now());
            verdict
        };
        timeout(PATIENCE, asked).await.unwrap_or(Err(Refusal::Unavailable))
    }

    async fn ask(&self, token: &str, path: &str) -> Result<AccessVerdict, kube::Error> {
        let spec = TokenReviewSpec { token: Some(token.to_owned()), audiences: None };
        let review = TokenReview { spec, ..TokenReview::default() };
        let reviews = Api::<TokenReview>::all(self.client.clone());
        let status = reviews.create(&PostParams::default(), &review).await?.status.unwrap_or_default();
        let Some(user) = status.user.filter(|_| status.authenticated == Some(true)) else {
            return Ok(Err(Refusal::Unauthenticated));
        };
        let reviews = Api::<SubjectAccessReview>::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &access_review(user, path)).await?;
        let is_allowed = answer.status.is_some_and(|status| status.allowed && status.denied != Some(true));
        Ok(if is_allowed { Ok(()) } else { Err(Refusal::Forbidden) })
    }

    /// Logs one line on a transition. Leaves out the text of the error, which could quote a token.
    fn tell(&self, error: Option<&kube::Error>) {
        let mut is_in_trouble = self.is_in_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let was_in_trouble = std::mem::replace(&mut *is_in_trouble, error.is_some());
        match error {
            Some(kube::Error::Api(status)) if !was_in_trouble && status.code == 403 => tracing::warn!(
                "cannot check who may read metrics: grant create on tokenreviews and subjectaccessreviews"
            ),
            Some(kube::Error::Api(status)) if !was_in_trouble => {
                tracing::warn!(code = status.code, "cannot check who may read metrics");
            }
            Some(_) if !was_in_trouble => {
                tracing::warn!("cannot check who may read metrics: the API server is out of reach");
            }
            None if was_in_trouble => tracing::info!("checking again who may read metrics"),
            Some(_) | None => {}
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Access")
    }
}

/// The bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn access_review(user: UserInfo, path: &str) -> SubjectAccessReview {
    let attributes = NonResourceAttributes { path: Some(path.to_owned()), verb: Some("get".to_owned()) };
    let spec = SubjectAccessReviewSpec {
        user: user.username,
        uid: user.uid,
        groups: user.groups,
        extra: user.extra,
        non_resource_attributes: Some(attributes),
        ..SubjectAccessReviewSpec::default()
    };
    SubjectAccessReview { spec, ..SubjectAccessReview::default() }
}

/// A token and a path, as a digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct TokenDigest([u8; 32]);

impl TokenDigest {
    fn of(token: &str, path: &str) -> Self {
        // A path contains no NUL, so path and token cannot be confused.
        Self(Sha256::new().chain_update(path).chain_update([0u8]).chain_update(token).finalize().into())
    }
}

/// The cached verdicts, each with the end of its validity.
#[derive(Debug, Default)]
struct Verdicts(HashMap<TokenDigest, (AccessVerdict, Instant)>);

impl Verdicts {
    fn get(&self, key: &TokenDigest, now: Instant) -> Option<AccessVerdict> {
        self.0.get(key).filter(|(_, end)| now < *end).map(|(verdict, _)| *verdict)
    }

    /// Caches a verdict. Expired verdicts are dropped. If the cache is still full, the verdict that expires
    /// soonest is dropped, and refusals are dropped before permissions.
    fn put(&mut self, key: TokenDigest, verdict: AccessVerdict, now: Instant) {
        self.0.retain(|_, (_, end)| now < *end);
        if self.0.len() >= MAX_VERDICTS
            && let Some(first) = self.0.iter().min_by_key(|(_, (verdict, end))| (verdict.is_ok(), *end))
        {
            let first = first.0.clone();
            self.0.remove(&first);
        }
        let counts_for = if verdict.is_ok() { GRANTED_FOR } else { REFUSED_FOR };
        self.0.insert(key, (verdict, now + counts_for));
    }
}
