//! What else a report contains, from outside of the plan.

use crate::domain::pods::PodUses;
use crate::domain::verification::VerifyNews;

/// What else a report contains, from outside of the plan.
#[derive(Clone, Debug, Default)]
pub struct ReportContext {
    /// Generation of the reconciled spec.
    pub generation: Option<i64>,
    /// What is known about the pods that use the target Secret.
    pub pods: PodUses,
    /// What is known about the verification of the stored URL.
    pub verification: VerifyNews,
    /// Whether the clock of the operator and that of the API server differ.
    pub is_clock_skewed: bool,
    /// Whether the token of the renew annotation is too long.
    pub is_renew_refused: bool,
    /// Whether this reconcile read what it waits for from the API server.
    pub has_read: bool,
}
