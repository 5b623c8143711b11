//! What the files in a folder tell about a volume that was published before a restart.

use std::path::Path;

use jiff::Timestamp;

use super::switch::{expirations, first_expiration};
use crate::domain::volume::{UrlVolume, VolumePlan, VolumeTimes};

/// The times of the files in a folder. The process may have ended between the record and the files: then they
/// are due, and expire when they say.
pub(super) fn shown(target: &Path, plan: &VolumePlan, times: VolumeTimes) -> VolumeTimes {
    let first = expirations(target, &plan.names()).and_then(|ends| ends.into_iter().min());
    if first == Some(times.expiration_time) {
        return times;
    }
    let renewal_time = times.signing_time;
    VolumeTimes { renewal_time, expiration_time: first.unwrap_or(renewal_time), ..times }
}

/// A volume that is published although nothing of it was kept.
pub(super) fn found(target: &Path, now: Timestamp) -> UrlVolume {
    UrlVolume::found(first_expiration(target), now)
}
