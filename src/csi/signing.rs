//! Signs the URLs of a volume, with sessions from an STS where they are needed, or lets the signing service do
//! it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use super::folder::VolumeFolders;
use super::permits::{MAX_CALLS, NamespacePermits};
use super::sessions::VolumeSessions;
use super::signing_client::SigningClient;
use crate::crd::PresignedUrlSpec;
use crate::domain::session::{SessionNeed, StsRequest};
use crate::domain::volume::{
    SIGNING_AUDIENCE, SignJobFailure, SignedVolume, SigningBasis, VolumeFailure, VolumeInputs, VolumePlan,
    VolumeReason, VolumeTimes, VolumeUrl, check_files, files, token,
};
use crate::domain::{Credentials, SignedUrl, Validity};
use crate::runtime::Clock;
use crate::s3::UrlSigner;
use crate::sts::{Session, Sts, StsFailure};

/// A session that URLs of a volume need.
#[derive(Clone, Copy)]
struct NeededSession<'a> {
    sts_request: &'a StsRequest,
    audience: &'a str,
    subject: &'a str,
    /// The longest lifetime of these URLs, in seconds.
    lifetime: u32,
}

#[derive(Clone, Debug)]
pub(super) struct SigningWork {
    pub(super) inputs: Arc<VolumeInputs>,
    pub(super) plan: Arc<VolumePlan>,
    /// The sessions at hand.
    pub(super) sessions: VolumeSessions,
    /// When the current URLs expire, if the new ones have to live longer.
    pub(super) longer_than: Option<Timestamp>,
    /// Spreads the renewals.
    pub(super) seed: u32,
}

/// Signs. Share one; it needs no lock.
#[derive(Debug)]
pub(super) struct Signing {
    clock: Clock,
    sts: Sts,
    signer: UrlSigner,
    /// The signing service; `None` if there is none.
    service: Option<SigningClient>,
    /// The permits for calls to an STS.
    sts_permits: NamespacePermits,
    /// The permits for calls to the signing service.
    service_permits: NamespacePermits,
}

impl Signing {
    pub(super) fn new(clock: Clock, sts: Sts, service: Option<SigningClient>) -> Self {
        let [sts_permits, service_permits] = Default::default();
        Self { clock, sts, signer: UrlSigner::default(), service, sts_permits, service_permits }
    }

    /// Signs all URLs of a volume. New sessions are held, also when this fails.
    ///
    /// # Cancel safety
    /// Nothing else is changed, so it can be dropped at any time.
    pub(super) async fn sign(&self, work: SigningWork) -> Result<SignedVolume, SignJobFailure> {
        let target = work.inputs.target.clone();
        let has_pod = tokio::task::spawn_blocking(move || VolumeFolders::has_pod(target.as_ref()));
        if !has_pod.await.unwrap_or(true) {
            return Err(SignJobFailure::Gone);
        }
        let signed = match &*work.plan {
            VolumePlan::Own(urls) => self.own(&work, urls).await,
            VolumePlan::Signer(urls) => self.by_service(&work, urls).await,
        };
        signed.map_err(SignJobFailure::Failure)
    }

    async fn by_service(
        &self,
        work: &SigningWork,
        urls: &BTreeMap<String, PresignedUrlSpec>,
    ) -> Result<SignedVolume, VolumeFailure> {
        let service = self.service.as_ref().ok_or_else(VolumeFailure::bug)?;
        let token = token(work.inputs.tokens.as_ref(), SIGNING_AUDIENCE, self.clock.now())?;
        let permits = self.service_permits.of(&work.inputs.pod.namespace);
        // It is never closed.
        let _permit = permits.acquire().await;
        let signed = service.sign(urls, work.longer_than, work.seed, &token, || self.clock.now()).await?;
        check_files(&signed.files)?;
        Ok(signed)
    }

    async fn own(&self, work: &SigningWork, urls: &[VolumeUrl]) -> Result<SignedVolume, VolumeFailure> {
        let needed = needed(urls);
        let mut requests = Vec::new();
        for needed in &needed {
            requests.push(self.session(work, *needed).boxed());
        }
        let sessions: Vec<_> = stream::iter(requests).buffered(MAX_CALLS).try_collect().await?;
        let sts_requests: Vec<&StsRequest> = needed.iter().map(|needed| needed.sts_request).collect();
        work.sessions.drop_others(&sts_requests);
        let session_of = |sts_request: &StsRequest| {
            sts_requests
                .iter()
                .zip(&sessions)
                .find(|(known, _)| **known == sts_request)
                .map(|(_, session)| &session.credentials)
        };
        let mut signed = Vec::new();
        for url in urls {
            let credentials = match &url.basis {
                SigningBasis::Key(credentials) => Some(credentials),
                SigningBasis::Token { sts_request, .. } => session_of(sts_request),
            };
            signed.push((url, self.url(url, credentials.ok_or_else(VolumeFailure::bug)?)?));
        }
        let validities = signed.iter().map(|(url, signed)| (signed.validity, url.request.overlap));
        let times = VolumeTimes::of(validities, work.seed).ok_or_else(VolumeFailure::bug)?;
        let files = files(&signed);
        check_files(&files)?;
        Ok(SignedVolume { files, times })
    }

    fn url(&self, url: &VolumeUrl, credentials: &Credentials) -> Result<SignedUrl, VolumeFailure> {
        let request = &url.request;
        let validity = Validity::new(self.clock.now(), request.lifetime(), credentials.expiration);
        let validity = validity.map_err(|expired| {
            VolumeFailure::lasting(VolumeReason::CredentialsExpired, format!("{expired}: renew them"))
        })?;
        let signed = self.signer.presign(request, credentials, validity);
        signed.map_err(|error| VolumeFailure::of_spec(VolumeReason::SigningFailed, &error.to_string()))
    }

    /// A session from those at hand or from the STS.
    async fn session(&self, work: &SigningWork, needed: NeededSession<'_>) -> Result<Session, VolumeFailure> {
        let NeededSession { sts_request, audience, subject, lifetime } = needed;
        let now = self.clock.now();
        let until = now.checked_add(jiff::SignedDuration::from_secs(lifetime.into()));
        let need = SessionNeed { until: until.unwrap_or(Timestamp::MAX), longer_than: work.longer_than };
        if let Some(session) = work.sessions.find(sts_request, need, now) {
            return Ok(session);
        }
        let token = token(work.inputs.tokens.as_ref(), audience, now)?;
        let permits = self.sts_permits.of(&work.inputs.pod.namespace);
        // It is never closed.
        let _permit = permits.acquire().await;
        let answer = self.sts.with_web_identity(sts_request, &token, || self.clock.now()).await;
        let session = answer.map_err(|failure| denied(&failure, subject, audience))?;
        work.sessions.keep(sts_request, session.clone());
        Ok(session)
    }
}

/// The sessions that these URLs need, each once.
fn needed(urls: &[VolumeUrl]) -> Vec<NeededSession<'_>> {
    let mut all = Vec::<NeededSession<'_>>::new();
    for url in urls {
        let SigningBasis::Token { sts_request, audience, subject } = &url.basis else { continue };
        let lifetime = url.request.lifetime();
        match all.iter_mut().find(|known| *known.sts_request == **sts_request) {
            Some(known) => known.lifetime = known.lifetime.max(lifetime),
            None => all.push(NeededSession { sts_request, audience, subject, lifetime }),
        }
    }
    all
}

/// What the STS answered, in words.
fn denied(failure: &StsFailure, subject: &str, audience: &str) -> VolumeFailure {
    let advice = failure.advice().map(|advice| format!(": {advice}")).unwrap_or_default();
    if failure.is_temporary() {
        let message = format!("{failure}{advice}");
        return VolumeFailure::temporary(VolumeReason::CredentialsUnavailable, message);
    }
    let message = format!("{failure}{advice} (subject {subject}, audience {audience})");
    VolumeFailure::of_spec(VolumeReason::CredentialsDenied, &message)
}
