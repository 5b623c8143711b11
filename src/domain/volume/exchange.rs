//! What a CSI driver and the signing service of the operator say to each other about a volume with a signer,
//! as JSON.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::{SignedVolume, VolumeFailure, VolumeFile, VolumeReason, VolumeTimes};
use crate::crd::PresignedUrlSpec;
use crate::domain::Sensitive;

/// The path of the signing service.
pub const SIGNING_PATH: &str = "/v1/sign";
/// The audience of the tokens that pods authenticate with at the signing service.
pub const SIGNING_AUDIENCE: &str = "presign.dev";

/// Asks for the URLs of a volume. The pod and its namespace are not in it: the token says them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SigningRequest {
    /// The specs, by the names of the URLs; one empty name for a volume with one URL. All name one signer.
    pub urls: BTreeMap<String, PresignedUrlSpec>,
    /// When the current URLs expire, if the new ones have to live longer.
    pub longer_than: Option<Timestamp>,
    /// A hash of the volume, which spreads the renewals.
    pub seed: u32,
}

/// The signed URLs of a volume, as files. It has no `Debug`, because the files hold the URLs.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningAnswer {
    files: Vec<AnsweredFile>,
    signing_time: Timestamp,
    renewal_time: Timestamp,
    expiration_time: Timestamp,
}

#[derive(Deserialize, Serialize)]
struct AnsweredFile {
    folder: Option<String>,
    name: String,
    content: String,
}

impl Drop for AnsweredFile {
    fn drop(&mut self) {
        self.content.zeroize();
    }
}

impl From<&SignedVolume> for SigningAnswer {
    fn from(volume: &SignedVolume) -> Self {
        let file = |file: &VolumeFile| AnsweredFile {
            folder: file.folder.clone(),
            name: file.name.clone(),
            content: file.content.expose().clone(),
        };
        Self {
            files: volume.files.iter().map(file).collect(),
            signing_time: volume.times.signing_time,
            renewal_time: volume.times.renewal_time,
            expiration_time: volume.times.expiration_time,
        }
    }
}

impl From<SigningAnswer> for SignedVolume {
    fn from(answer: SigningAnswer) -> Self {
        let file = |mut file: AnsweredFile| VolumeFile {
            folder: file.folder.take(),
            name: std::mem::take(&mut file.name),
            content: Sensitive::new(std::mem::take(&mut file.content)),
        };
        Self {
            files: answer.files.into_iter().map(file).collect(),
            times: VolumeTimes {
                signing_time: answer.signing_time,
                renewal_time: answer.renewal_time,
                expiration_time: answer.expiration_time,
            },
        }
    }
}

/// Why the URLs are not signed. It is the body of every answer but 200.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningRefusal {
    /// The name of a [`VolumeReason`].
    pub reason: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// Whether another attempt can help although nobody changes anything.
    pub is_temporary: bool,
}

impl From<VolumeFailure> for SigningRefusal {
    fn from(failure: VolumeFailure) -> Self {
        Self {
            reason: failure.reason.to_string(),
            message: failure.message,
            is_temporary: failure.is_temporary,
        }
    }
}

impl From<SigningRefusal> for VolumeFailure {
    fn from(refusal: SigningRefusal) -> Self {
        let reason = VolumeReason::from_str(&refusal.reason).unwrap_or(VolumeReason::InternalError);
        Self { reason, message: refusal.message, is_temporary: refusal.is_temporary }
    }
}
