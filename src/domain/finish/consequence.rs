//! What an interruption of a reconcile means for the status.

use jiff::Timestamp;

use super::{Interruption, Next};
use crate::domain::history::History;
use crate::domain::reason::FailureReason;
use crate::domain::status::Problem;
use crate::domain::validity::plus;

/// After how many overloaded or outdated reconciles in a row the status reports a failure.
const TOLD_AFTER: u32 = 3;
/// How long an object waits for a session before it looks again, in seconds. It then reports that it waits.
pub const SESSION_WAIT: u32 = 15;

/// What an interruption means for the status.
pub(super) enum Consequence {
    /// The status reports the failure. The number is the least wait, in seconds.
    Failed(Problem, Option<u32>),
    /// The status stays as it is.
    Nothing(Next),
}

/// What follows from an interruption, which is reported only when it goes on.
pub(super) fn consequence_of(
    interruption: &Interruption,
    history: &mut History,
    now: Timestamp,
) -> Consequence {
    let soon = |seconds| Consequence::Nothing(Next::At(plus(now, seconds)));
    match interruption {
        Interruption::Failed { problem, retry_after } => Consequence::Failed(problem.clone(), *retry_after),
        Interruption::Superseded => soon(1),
        Interruption::Outdated if history.outdated() < TOLD_AFTER => soon(1),
        Interruption::Outdated => {
            let message =
                "the PresignedUrl, its Secret or its signer changes again and again while the operator writes the Secret: find out which client changes it".to_owned();
            Consequence::Failed(Problem::new(FailureReason::ApiError, message), None)
        }
        Interruption::Overloaded { retry_after } if history.overloaded() < TOLD_AFTER => {
            soon(retry_after.unwrap_or(1).max(1))
        }
        Interruption::Overloaded { retry_after } => {
            let message = "the API server is too busy: it answers 429".to_owned();
            Consequence::Failed(Problem::new(FailureReason::ApiError, message), *retry_after)
        }
        Interruption::AwaitingSession => soon(SESSION_WAIT),
        Interruption::LostLease | Interruption::Gone => Consequence::Nothing(Next::OnChange(None)),
    }
}
