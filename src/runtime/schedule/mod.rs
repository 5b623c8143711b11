//! When each object is reconciled next, in which order those that are due start, and how many
//! run at a time.
//!
//! Here: the queue that every live object is always in, the order of those that are due, the
//! workers that run reconciles, and the shared pause that the API server asks for.
//! Not here: how long to back off after a failure, which whoever reconciles decides.

mod fairness;
mod limiter;
mod queue;
mod workers;

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

pub use limiter::{Limiter, Permit};
pub use queue::Queue;
pub use workers::Workers;

/// What the keys of a queue can tell.
pub trait Tenant {
    /// Whose key it is: the namespace, among which starts are shared out.
    fn tenant(&self) -> &str;
}

/// How a due key stands against the others that are due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rank {
    /// When the key becomes urgent; `None` if it never does.
    pub urgent_at: Option<Instant>,
    /// The second at which what it stands for expires. Within a namespace the soonest goes first.
    pub expires: i64,
}

/// Why a key is due. Of several causes that meet, the greatest counts: the one that asks the
/// reconcile to look at the most.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Cause {
    /// A time that was planned has come.
    Timer,
    /// Something changed.
    Woken,
    /// Nothing told of a change for too long. What the reconcile waits for is to be read from
    /// the API server, since a watch may have missed it.
    SafetyNet,
}

/// When a key is reconciled again, at the latest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Next {
    /// A time that has passed means now.
    pub at: Instant,
    /// What to tell the reconcile at that time, if nothing else makes it due before.
    pub cause: Cause,
}

impl Next {
    /// The next reconcile after `wait` from now.
    #[must_use]
    pub fn after(wait: Duration, cause: Cause) -> Self {
        Self { at: Instant::now() + wait, cause }
    }
}

/// A key that is due, for the one who reconciles it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Job<K> {
    /// What to reconcile.
    pub key: K,
    /// Why it is due.
    pub cause: Cause,
}

/// The capacity that an emptied collection keeps.
const IDLE_ROOM: usize = 256;

/// Gives back the memory that a map no longer needs. Shrinking to twice its size keeps the cost
/// of a removal constant on average.
fn trim<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > 4 * map.len() + IDLE_ROOM {
        map.shrink_to(2 * map.len());
    }
}

#[cfg(test)]
mod test_key {
    /// A namespace and a number.
    #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
    pub(super) struct Key(pub(super) &'static str, pub(super) u32);

    impl super::Tenant for Key {
        fn tenant(&self) -> &str {
            self.0
        }
    }
}
