//! A CSI volume with presigned URLs: what its attributes ask for, which files it holds, and when it is
//! signed again.
//!
//! Not here: the calls of the kubelet, the calls to an STS, signing, and mounts.

mod answer;
mod attributes;
mod basis;
mod effects;
mod exchange;
mod failure;
mod files;
mod plan;
mod size;
mod source;
mod state;
mod times;
mod wording;

use std::collections::BTreeMap;

pub use answer::{answered, refused};
pub use basis::{SigningBasis, token};
pub use effects::{SignJobFailure, SignedVolume, VolumeEffect, VolumeNote, VolumeState};
pub use exchange::{SIGNING_AUDIENCE, SIGNING_PATH, SigningAnswer, SigningRefusal, SigningRequest};
pub use failure::{VolumeFailure, VolumeReason};
pub use files::{VolumeFile, files};
pub use plan::{VolumePlan, VolumeSettings, VolumeUrl};
pub use size::{VolumeSize, check_files};
pub use state::UrlVolume;
pub use times::VolumeTimes;

use super::Sensitive;

/// The pod that a volume belongs to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct VolumePod {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub name: String,
    /// UID of the pod.
    pub uid: String,
    /// The ServiceAccount of the pod.
    pub service_account: String,
}

/// Everything that the kubelet says about a volume.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct VolumeInputs {
    /// Where the files belong.
    pub target: String,
    /// What the author of the pod wrote.
    pub attributes: BTreeMap<String, String>,
    /// The data of the Secret in `nodePublishSecretRef`; empty if there is none.
    pub secret: BTreeMap<String, Sensitive<String>>,
    /// The tokens of the pod, as the kubelet writes them.
    pub tokens: Option<Sensitive<String>>,
    /// The group that the files belong to.
    pub fs_group: Option<u32>,
    /// The pod.
    pub pod: VolumePod,
}
