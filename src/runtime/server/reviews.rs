//! Verdicts of the API server about the bearer tokens of requests: asked for within bounds, and cached
//! shortly.
//!
//! What is asked, and what a verdict permits, is the caller's matter.

use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus, UserInfo};
use k8s_openapi::api::authorization::v1::{SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use crate::runtime::server::peer_limits::PeerLimits;

/// How long the next review of a peer waits after a refusal, because invented tokens could cause many
/// reviews.
pub(super) const REFUSAL_DELAY: Duration = Duration::from_millis(100);
/// How long a request waits for its verdict.
const REVIEW_TIMEOUT: Duration = Duration::from_secs(5);

/// How verdicts are asked for, and how long they count.
#[derive(Clone, Copy, Debug)]
pub struct ReviewSettings {
    /// How long a verdict counts that grants.
    pub granted_for: Duration,
    /// How long a verdict counts that refuses.
    pub refused_for: Duration,
    /// How many verdicts are cached.
    pub most_verdicts: usize,
    /// How many tokens are reviewed at a time.
    pub at_once: usize,
    /// How many of them are of one peer.
    pub of_peer: usize,
    /// What is checked, for the log.
    pub purpose: &'static str,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request has no token, or one that the API server does not know.
    Unauthenticated,
    /// The user of the token has no permission.
    Forbidden,
    /// The API server could not be asked.
    Unavailable,
}

/// Asks the API server for verdicts, and caches them.
///
/// # Guarantees
/// A request is refused when the API server cannot be asked. Only digests of tokens are kept. A review that was
/// sent ends, and counts against the limits of the peer, also when the client hangs up.
#[derive(Debug)]
pub struct Reviewer<V> {
    permits: Arc<Semaphore>,
    peers: PeerLimits,
    reviews: Arc<Reviews<V>>,
}

/// What the reviews leave behind.
#[derive(Debug)]
struct Reviews<V> {
    settings: ReviewSettings,
    verdicts: Mutex<Verdicts<V>>,
    is_in_trouble: Mutex<bool>,
}

impl<V: Clone + Send + 'static> Reviewer<V> {
    /// A reviewer without verdicts.
    #[must_use]
    pub fn new(settings: ReviewSettings) -> Self {
        let verdicts = Mutex::new(Verdicts::new(settings));
        Self {
            permits: Arc::new(Semaphore::new(settings.at_once)),
            peers: PeerLimits::new(settings.of_peer),
            reviews: Arc::new(Reviews { settings, verdicts, is_in_trouble: Mutex::default() }),
        }
    }

    /// The verdict about a request of this peer, from memory or by what `ask` returns.
    ///
    /// # Errors
    /// The verdict, if it refuses; [`Refusal::Unavailable`] if there is none in time.
    pub async fn judge<F>(&self, peer: IpAddr, key: ReviewKey, ask: impl FnOnce() -> F) -> Result<V, Refusal>
    where
        F: Future<Output = Result<Result<V, Refusal>, kube::Error>> + Send + 'static,
    {
        if let Some(verdict) = self.reviews.cached(&key) {
            return verdict;
        }
        let review = async {
            let peer_permit = self.peers.acquire(peer).await;
            let permit = self.permits.clone().acquire_owned().await.ok();
            // Another request may have got the verdict meanwhile.
            if let Some(verdict) = self.reviews.cached(&key) {
                return verdict;
            }
            // A client that hangs up must neither end the review nor get the next one sooner.
            let review = self.reviews.clone().review(key.clone(), ask(), permit, peer_permit);
            tokio::spawn(review).await.unwrap_or_else(|ended| match ended.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => Err(Refusal::Unavailable),
            })
        };
        timeout(REVIEW_TIMEOUT, review).await.unwrap_or(Err(Refusal::Unavailable))
    }
}

impl<V: Clone> Reviews<V> {
    fn cached(&self, key: &ReviewKey) -> Option<Result<V, Refusal>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(key, Instant::now())
    }

    /// Asks for a verdict and keeps it. Unless it grants, holds the permit of the peer for a while longer.
    async fn review(
        self: Arc<Self>,
        key: ReviewKey,
        review: impl Future<Output = Result<Result<V, Refusal>, kube::Error>>,
        permit: Option<OwnedSemaphorePermit>,
        peer_permit: Option<OwnedSemaphorePermit>,
    ) -> Result<V, Refusal> {
        let begun = Instant::now();
        let answer = timeout(REVIEW_TIMEOUT, review).await;
        drop(permit);
        if !matches!(answer, Ok(Ok(Ok(_)))) {
            tokio::spawn(async move {
                sleep(REFUSAL_DELAY).await;
                drop(peer_permit);
            });
        }
        let Ok(answer) = answer else { return Err(Refusal::Unavailable) };
        self.log_transition(answer.as_ref().err());
        let Ok(verdict) = answer else { return Err(Refusal::Unavailable) };
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.put(key, verdict.clone(), begun);
        verdict
    }

    /// Logs one line on a transition. Leaves out the text of the error, which could quote a token.
    fn log_transition(&self, error: Option<&kube::Error>) {
        let mut is_in_trouble = self.is_in_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let was_in_trouble = std::mem::replace(&mut *is_in_trouble, error.is_some());
        let purpose = self.settings.purpose;
        match error {
            Some(kube::Error::Api(status)) if !was_in_trouble && status.code == 403 => tracing::warn!(
                "cannot check {purpose}: grant create on tokenreviews and subjectaccessreviews"
            ),
            Some(kube::Error::Api(status)) if !was_in_trouble => {
                tracing::warn!(code = status.code, "cannot check {purpose}");
            }
            Some(_) if !was_in_trouble => {
                tracing::warn!("cannot check {purpose}: the API server is out of reach");
            }
            None if was_in_trouble => tracing::info!("checking again {purpose}"),
            Some(_) | None => {}
        }
    }
}

/// The bearer token of a request.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// What the API server says about a token, for an audience or for itself.
///
/// # Errors
/// The error of the request.
pub async fn review_of(
    client: &Client,
    token: &str,
    audience: Option<&str>,
) -> Result<TokenReviewStatus, kube::Error> {
    let audiences = audience.map(|audience| vec![audience.to_owned()]);
    let spec = TokenReviewSpec { token: Some(token.to_owned()), audiences };
    let review = TokenReview { spec, ..TokenReview::default() };
    let reviews = Api::<TokenReview>::all(client.clone());
    Ok(reviews.create(&PostParams::default(), &review).await?.status.unwrap_or_default())
}

/// The user of a token, if the token is valid.
#[must_use]
pub fn user_of(status: TokenReviewStatus) -> Option<UserInfo> {
    status.user.filter(|_| status.authenticated == Some(true))
}

/// A question about a user, which says nothing yet of what the user may do.
#[must_use]
pub fn access_of(UserInfo { username, uid, groups, extra }: UserInfo) -> SubjectAccessReviewSpec {
    SubjectAccessReviewSpec { user: username, uid, groups, extra, ..SubjectAccessReviewSpec::default() }
}

/// Whether the API server says that a user may do something.
///
/// # Errors
/// The error of the request.
pub async fn is_allowed(client: &Client, spec: SubjectAccessReviewSpec) -> Result<bool, kube::Error> {
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let reviews = Api::<SubjectAccessReview>::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed && status.denied != Some(true)))
}

/// What a verdict is about, as a digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReviewKey([u8; 32]);

impl ReviewKey {
    /// The key for a token and what is asked about it. No part but the last may contain a NUL.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        let digest =
            parts.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part).chain_update([0]));
        Self(digest.finalize().into())
    }
}

/// The cached verdicts.
#[derive(Debug)]
pub(super) struct Verdicts<V> {
    settings: ReviewSettings,
    pub(super) all: HashMap<ReviewKey, CachedVerdict<V>>,
}

/// A verdict, and the begin of its review. It counts from there, since nobody knows when the API server judged.
#[derive(Debug)]
pub(super) struct CachedVerdict<V> {
    verdict: Result<V, Refusal>,
    begun: Instant,
    end: Instant,
}

impl<V: Clone> Verdicts<V> {
    pub fn new(settings: ReviewSettings) -> Self {
        Self { settings, all: HashMap::new() }
    }

    pub fn get(&self, key: &ReviewKey, now: Instant) -> Option<Result<V, Refusal>> {
        self.all.get(key).filter(|cached| now < cached.end).map(|cached| cached.verdict.clone())
    }

    /// Caches the verdict of a review that began then, unless there is one of a later review. Expired verdicts are
    /// dropped. If the cache is still full, the verdict that expires soonest is dropped, and refusals are dropped
    /// before permissions.
    pub fn put(&mut self, key: ReviewKey, verdict: Result<V, Refusal>, begun: Instant) {
        if self.all.get(&key).is_some_and(|cached| cached.begun > begun) {
            return;
        }
        self.all.retain(|_, cached| begun < cached.end);
        if self.all.len() >= self.settings.most_verdicts
            && let Some(first) =
                self.all.iter().min_by_key(|(_, cached)| (cached.verdict.is_ok(), cached.end))
        {
            let first = first.0.clone();
            self.all.remove(&first);
        }
        let counts_for = if verdict.is_ok() { self.settings.granted_for } else { self.settings.refused_for };
        self.all.insert(key, CachedVerdict { verdict, begun, end: begun + counts_for });
    }
}
