//! What is said about the volumes: in logs, in metrics, and to a kubelet that has waited for too long.

use super::metrics::DriverMetrics;
use crate::domain::volume::{UrlVolume, VolumeFailure, VolumeNote, VolumePod, VolumeReason};

/// The answer to a call that has waited for too long.
pub(super) fn too_late(volume: &UrlVolume) -> VolumeFailure {
    let why = volume
        .failure()
        .map_or("the STS or the signing service has not answered yet", |failure| failure.message.as_str());
    VolumeFailure::temporary(
        VolumeReason::CredentialsUnavailable,
        format!("the volume has no URL after 30 seconds: {why}"),
    )
}

/// Logs and counts what happened to a volume.
pub(super) fn note_down(metrics: &DriverMetrics, pod: &VolumePod, note: &VolumeNote) {
    let VolumePod { namespace, name, .. } = pod;
    match note {
        VolumeNote::Issued { reason, times, lag } => {
            metrics.issued(*reason, *lag);
            let (expires, renews) = (times.expiration_time, times.renewal_time);
            tracing::info!(namespace, name, %reason, %expires, %renews, "issued the URLs of a volume");
        }
        VolumeNote::Failed { failure, is_new } => {
            metrics.failed(failure.reason);
            let reason = failure.reason;
            if *is_new {
                tracing::warn!(namespace, name, %reason, "cannot issue the URLs of a volume: {failure}");
            } else {
                tracing::debug!(namespace, name, %reason, "cannot issue the URLs of a volume: {failure}");
            }
        }
        VolumeNote::Kept(failure) => {
            metrics.kept();
            tracing::debug!(namespace, name, "the kubelet brought what cannot be used: {failure}");
        }
        VolumeNote::Stuck(failure) => {
            metrics.failed(failure.reason);
            tracing::warn!(namespace, name, "cannot unmount a volume: {failure}");
        }
    }
}
