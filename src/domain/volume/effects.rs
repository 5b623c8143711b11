//! What happens to a volume, and what its state asks of the shell.

use super::{VolumeFailure, VolumeFile, VolumeTimes};
use crate::domain::reason::IssueReason;

/// The signed URLs of a volume.
#[derive(Clone, Debug)]
pub struct SignedVolume {
    /// The files.
    pub files: Vec<VolumeFile>,
    /// When the URLs work.
    pub times: VolumeTimes,
}

/// What the shell must do.
///
/// It answers by a method of [`UrlVolume`](super::UrlVolume).
#[derive(Clone, Debug)]
pub enum VolumeEffect {
    /// Sign what `UrlVolume::work` returns, and report `UrlVolume::signed` with this number.
    Sign(u64),
    /// Abort the job that signs.
    StopSigning,
    /// Keep the inputs for a restart, with these times.
    Keep(VolumeTimes),
    /// Keep the inputs, mount the folder if needed, and write the files; report `UrlVolume::written`.
    Write(SignedVolume),
    /// Forget the inputs, and unmount and remove the folder; report `UrlVolume::unmounted`.
    Unmount,
    /// Answer every call that waits for the volume to be published.
    AnswerPublish(Result<(), VolumeFailure>),
    /// Answer every call that waits for the volume to be unpublished.
    AnswerUnpublish(Result<(), VolumeFailure>),
    /// Log and count what happened.
    Note(VolumeNote),
    /// Drop the volume.
    Forget,
}

/// What happened, for logs and metrics.
#[derive(Clone, Debug)]
pub enum VolumeNote {
    /// New URLs are in place.
    Issued {
        /// Why.
        reason: IssueReason,
        /// When they work.
        times: VolumeTimes,
        /// How many seconds after the planned renewal that was; `None` if none was planned.
        lag: Option<i64>,
    },
    /// No new URLs could be had.
    Failed {
        /// Why.
        failure: VolumeFailure,
        /// Whether the attempts before had not failed.
        is_new: bool,
    },
    /// The kubelet brought something that cannot be used, and the URLs stay.
    Kept(VolumeFailure),
    /// The folder could not be unmounted.
    Stuck(VolumeFailure),
}

/// Why nothing was signed.
#[derive(Clone, Debug)]
pub enum SignJobFailure {
    /// The folder of the volume is gone, and with it the pod.
    Gone,
    /// What is wrong.
    Failure(VolumeFailure),
}

/// How a volume fares, for metrics.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, strum::IntoStaticStr, strum::VariantArray)]
pub enum VolumeState {
    /// The first URLs are not there yet.
    Starting,
    /// The URLs are valid.
    Serving,
    /// The URLs are valid, and half of the time between renewal and expiry has passed.
    Late,
    /// A URL has expired.
    Expired,
    /// The volume is being unmounted.
    Ending,
}
