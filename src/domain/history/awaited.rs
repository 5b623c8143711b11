//! What an object waits for.

use crate::domain::reason::{Disposition, FailureReason};
use crate::domain::status::Progress;

/// A Secret that an object waits for. A watch shows its change, and the safety net reads it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Awaited {
    /// The credentials Secret.
    Credentials,
    /// The target Secret, which is foreign or that of a predecessor.
    Target,
}

impl Awaited {
    /// The Secret that an object with this progress waits for.
    pub(in crate::domain) fn of(progress: &Progress) -> Option<Self> {
        match progress {
            Progress::AwaitingCredentials => Some(Awaited::Credentials),
            Progress::AwaitingCollection => Some(Awaited::Target),
            Progress::Failed(problem) => match (problem.disposition, problem.reason) {
                (Disposition::Waiting, FailureReason::SignerNotFound) => None,
                (Disposition::Waiting, _) => Some(Awaited::Credentials),
                (Disposition::UserMustAct, FailureReason::SecretConflict) => Some(Awaited::Target),
                _ => None,
            },
            Progress::UpToDate | Progress::Suspended | Progress::Ended { .. } => None,
        }
    }
}
