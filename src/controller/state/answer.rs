//! The effect of an answer to one of our own calls on the caches.

use crate::runtime::cache;

/// What a cache did with an answer, and what has to happen next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Answered {
    /// The cache holds the answer or something newer.
    Known,
    /// The cache dropped the answer, since the object may be gone: reconcile it again.
    LookAgain,
    /// The API server was restored to an earlier state: restart the watches.
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
