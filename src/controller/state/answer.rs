//! What the answer to a write of ours means for the caches.

use crate::runtime::cache;

/// What became of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Answered {
    /// The cache knows it.
    Known,
    /// The object may be gone by now: look at it again.
    LookAgain,
    /// The API server was restored to an earlier state: begin the watches anew.
    WentBack,
}

impl<V> From<&cache::Answer<V>> for Answered {
    fn from(answer: &cache::Answer<V>) -> Self {
        match answer {
            cache::Answer::Taken(_) => Self::Known,
            cache::Answer::Dropped => Self::LookAgain,
            cache::Answer::WentBack => Self::WentBack,
        }
    }
}
