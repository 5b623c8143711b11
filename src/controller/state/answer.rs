//! The effect of an answer to one of our own calls on the caches.

use crate::runtime::cache;

/// What a cache did with an answer, and what has to happen next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum AnswerEffect {
    /// The cache holds the answer or something newer.
    None,
    /// The cache dropped the answer, since the object may be gone: reconcile it again.
    Reconcile,
    /// The API server was restored to an earlier state: restart the watches.
    RestartWatches,
}

impl<V> From<&cache::AnswerOutcome<V>> for AnswerEffect {
    fn from(answer: &cache::AnswerOutcome<V>) -> Self {
        match answer {
            cache::AnswerOutcome::Taken(_) => Self::None,
            cache::AnswerOutcome::Dropped => Self::Reconcile,
            cache::AnswerOutcome::Restored => Self::RestartWatches,
        }
    }
}
