//! Signs the URLs of a volume, with sessions from an STS where they are needed, or lets the signing service do
//! it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::folder::VolumeFolders;
use super::signing_client::SigningClient;
use crate::crd::PresignedUrlSpec;
use crate::domain::session::{Hop, SessionNeed, is_reusable};
use crate::domain::volume::{
    SIGNING_AUDIENCE, SignFault, SignedVolume, SigningBasis, VolumeFailure, VolumeInputs, VolumePlan,
    VolumeReason, VolumeTimes, VolumeUrl, check_files, files, token,
};
use crate::domain::{Credentials, SignedUrl, Validity};
use crate::runtime::Clock;
use crate::s3::UrlSigner;
use crate::sts::{Session, Sts, StsFailure};

/// How many volumes of a namespace may ask an STS at a time, so that a namespace whose STS does not answer
/// delays no other.
const MOST_CALLS: usize = 4;

/// The sessions of a volume, each with what was asked for.
pub(super) type HeldSessions = Vec<(Hop, Session)>;

/// What is signed.
#[derive(Clone, Debug)]
pub(super) struct SigningWork {
    pub(super) inputs: Arc<VolumeInputs>,
    pub(super) plan: Arc<VolumePlan>,
    /// The sessions at hand.
    pub(super) held: HeldSessions,
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
    /// The places for calls, by namespace.
    calls: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Signing {
    pub(super) fn new(clock: Clock, sts: Sts, service: Option<SigningClient>) -> Self {
        Self { clock, sts, signer: UrlSigner::default(), service, calls: Mutex::default() }
    }

    /// Signs all URLs of a volume, and returns the sessions too.
    ///
    /// # Cancel safety
    /// Nothing is changed, so it can be dropped at any time.
    pub(super) async fn sign(&self, work: SigningWork) -> Result<(SignedVolume, HeldSessions), SignFault> {
        let target = work.inputs.target.clone();
        let has_pod = tokio::task::spawn_blocking(move || VolumeFolders::has_pod(target.as_ref()));
        if !has_pod.await.unwrap_or(true) {
            return Err(SignFault::Gone);
        }
        let signed = match &*work.plan {
            VolumePlan::Own(urls) => self.own(&work, urls).await,
            VolumePlan::Signer(urls) => {
                self.by_service(&work, urls).await.map(|signed| (signed, HeldSessions::new()))
            }
        };
        signed.map_err(SignFault::Failure)
    }

    async fn by_service(
        &self,
        work: &SigningWork,
        urls: &BTreeMap<String, PresignedUrlSpec>,
    ) -> Result<SignedVolume, VolumeFailure> {
        let service = self.service.as_ref().ok_or_else(|| {
            VolumeFailure::lasting(VolumeReason::InternalError, "a bug in the driver: report it")
        })?;
        let token = token(work.inputs.tokens.as_ref(), SIGNING_AUDIENCE, self.clock.now())?;
        let signed = service.sign(urls, work.longer_than, work.seed, &token, || self.clock.now()).await?;
        check_files(&signed.files)?;
        Ok(signed)
    }

    async fn own(
        &self,
        work: &SigningWork,
        urls: &[VolumeUrl],
    ) -> Result<(SignedVolume, HeldSessions), VolumeFailure> {
        let (mut used, mut signed) = (HeldSessions::new(), Vec::new());
        for url in urls {
            let credentials = match &url.basis {
                SigningBasis::Key(credentials) => credentials.clone(),
                SigningBasis::Token { hop, audience, subject } => {
                    let session = self.session(work, &used, url, hop, audience, subject).await?;
                    let credentials = session.credentials.clone();
                    used.retain(|(known, _)| known != &**hop);
                    used.push(((**hop).clone(), session));
                    credentials
                }
            };
            signed.push((url, self.url(url, &credentials)?));
        }
        let validities = signed.iter().map(|(url, signed)| (signed.validity, url.request.overlap));
        let times = VolumeTimes::of(validities, work.seed).ok_or_else(|| {
            VolumeFailure::lasting(VolumeReason::InternalError, "the volume has no URLs, which is a bug")
        })?;
        let files = files(&signed);
        check_files(&files)?;
        Ok((SignedVolume { files, times }, used))
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

    /// The places for the calls of a namespace. Those that nobody uses are dropped.
    fn places(&self, namespace: &str) -> Arc<Semaphore> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|_, places| Arc::strong_count(places) > 1);
        calls.entry(namespace.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(MOST_CALLS))).clone()
    }

    /// A session that serves the URL, from those at hand or from the STS.
    async fn session(
        &self,
        work: &SigningWork,
        used: &HeldSessions,
        url: &VolumeUrl,
        hop: &Hop,
        audience: &str,
        subject: &str,
    ) -> Result<Session, VolumeFailure> {
        let now = self.clock.now();
        let until = now.checked_add(jiff::SignedDuration::from_secs(url.request.lifetime().into()));
        let need = SessionNeed { until: until.unwrap_or(Timestamp::MAX), longer_than: work.longer_than };
        let serves = |(known, session): &&(Hop, Session)| {
            let end = session.credentials.expiration;
            known == hop && end.is_some_and(|end| is_reusable(session.begun, end, need, now))
        };
        if let Some((_, session)) = used.iter().chain(&work.held).find(serves) {
            return Ok(session.clone());
        }
        let token = token(work.inputs.tokens.as_ref(), audience, now)?;
        let places = self.places(&work.inputs.pod.namespace);
        // It is never closed.
        let _permit = places.acquire().await;
        let answer = self.sts.with_web_identity(hop, &token, || self.clock.now()).await;
        answer.map_err(|failure| denied(&failure, subject, audience))
    }
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
