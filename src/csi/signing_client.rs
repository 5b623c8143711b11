//! Asks the signing service of the operator for the URLs of a volume with a signer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hyper::header::HeaderValue;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use zeroize::{Zeroize as _, Zeroizing};

use crate::crd::PresignedUrlSpec;
use crate::domain::Sensitive;
use crate::domain::volume::{
    SIGNING_PATH, SignedVolume, SigningRequest, VolumeFailure, VolumeReason, answered, refused,
};
use crate::runtime::client::{HttpsClient, HttpsFailure, HttpsOrigin};

/// How many volumes ask at a time.
const MAX_CALLS: usize = 32;
/// The longest answer that is read, in bytes.
const MAX_RESPONSE: usize = 1024 * 1024;

/// Where the signing service is.
#[derive(Clone, Debug)]
pub struct SigningServiceSettings {
    /// The address.
    pub origin: HttpsOrigin,
    /// The file with the certificate authority of its certificate, as PEM. It can appear later.
    pub ca_file: PathBuf,
}

/// Asks the signing service. Share one; it needs no lock.
#[derive(Debug)]
pub(super) struct SigningClient {
    http: HttpsClient,
    calls: Semaphore,
}

impl SigningClient {
    pub(super) fn new(settings: SigningServiceSettings) -> Self {
        let SigningServiceSettings { origin, ca_file } = settings;
        Self { http: HttpsClient::new(origin, ca_file), calls: Semaphore::new(MAX_CALLS) }
    }

    /// Asks for the URLs of a volume, with a token of its pod. `now` is our clock.
    pub(super) async fn sign(
        &self,
        urls: &BTreeMap<String, PresignedUrlSpec>,
        longer_than: Option<Timestamp>,
        seed: u32,
        token: &Sensitive<String>,
        now: impl Fn() -> Timestamp + Send,
    ) -> Result<SignedVolume, VolumeFailure> {
        let request = SigningRequest { urls: urls.clone(), longer_than, seed };
        let json = serde_json::to_vec(&request).map_err(|_| bug())?;
        let bearer = Zeroizing::new(format!("Bearer {}", token.expose()));
        let authorization = HeaderValue::from_str(&bearer).map_err(|_| bug())?;
        // It is never closed.
        let _permit = self.calls.acquire().await;
        let answer = self.http.post(SIGNING_PATH, authorization, json, MAX_RESPONSE).await;
        let mut answer = answer.map_err(|failure| unavailable(&failure))?;
        let names: Vec<&str> = urls.keys().map(String::as_str).collect();
        let signed = match answer.status {
            200 => answered(&answer.body, &names, now()),
            status => Err(refused(status, &answer.body)),
        };
        answer.body.zeroize();
        signed
    }
}

fn unavailable(failure: &HttpsFailure) -> VolumeFailure {
    let advice = match failure {
        HttpsFailure::Roots(_) => {
            "the operator writes its certificate authority when it starts, and the kubelet brings it within two minutes"
        }
        HttpsFailure::Tls(_) => "check that --signing-ca is the authority of the operator's certificate",
        HttpsFailure::TooLong | HttpsFailure::Garbage => "check the address (--signing-service)",
        HttpsFailure::Unresolved
        | HttpsFailure::Unreachable(_)
        | HttpsFailure::Timeout
        | HttpsFailure::Cut => "check that the operator runs, and that the nodes can reach it",
    };
    VolumeFailure::temporary(
        VolumeReason::SigningServiceUnavailable,
        format!("the signing service of the operator: {failure}: {advice}"),
    )
}

fn bug() -> VolumeFailure {
    VolumeFailure::lasting(
        VolumeReason::InternalError,
        "the signing service cannot be asked, which is a bug: report it with the log of the driver",
    )
}
