//! The schedule: when each object is reconciled next, in which order due objects start, and how many are
//! reconciled at a time.
//!
//! Here: the queue that every live object is always in, the order of the due objects, the workers that
//! run reconciles, the limiter with the pause that the API server asks for, the queue of calls to servers,
//! and the shares of the places in such a queue.
//! Not here: the backoff after a failure, which the reconcile decides.

mod call_queue;
mod fairness;
mod limiter;
mod queue;
mod shared_places;
mod workers;

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

pub use call_queue::{CallLimits, CallQueue, WaitingCall};
pub use limiter::{Limiter, Permit};
pub use queue::Queue;
pub use shared_places::SharedPlaces;
pub use workers::Workers;

/// A key that belongs to a tenant.
pub trait Tenant {
    /// The tenant of the key, which is its namespace. The queue shares its starts among tenants.
    fn tenant(&self) -> &str;
}

/// The rank of a due key among the due keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rank {
    /// When the key becomes urgent; `None` if it never does.
    pub urgent_at: Option<Instant>,
    /// The second at which what the key stands for expires. Within a namespace the earliest starts first.
    pub expires: i64,
}

/// Why a key is due. If there are several causes, the greatest counts, which makes the reconcile check
/// the most.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Cause {
    /// A planned time has come.
    Timer,
    /// The key was woken, because something changed.
    Woken,
    /// The time of the safety net has come without a change. The reconcile reads what it waits for from
    /// the API server, because a watch may have missed it.
    SafetyNet,
}

/// When a key is reconciled again at the latest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NextRun {
    /// The time; one that has passed means now.
    pub at: Instant,
    /// The cause that the reconcile gets at that time, if nothing makes the key due before.
    pub cause: Cause,
}

impl NextRun {
    /// The next reconcile, `wait` from now.
    #[must_use]
    pub fn after(wait: Duration, cause: Cause) -> Self {
        Self { at: Instant::now() + wait, cause }
    }
}

/// A due key that a worker reconciles.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Job<K> {
    /// The key to reconcile.
    pub key: K,
    /// Why the key is due.
    pub cause: Cause,
}

/// The capacity that a collection keeps when it is empty.
const IDLE_CAPACITY: usize = 256;

/// Frees the memory that a map no longer needs. The map shrinks to twice its size, so that the average
/// cost of a removal is constant.
fn trim<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > 4 * map.len() + IDLE_CAPACITY {
        map.shrink_to(2 * map.len());
    }
}

#[cfg(test)]
mod test_key {
    /// A namespace and a number.
    #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
    pub(super) struct NamedKey(pub(super) &'static str, pub(super) u32);

    impl super::Tenant for NamedKey {
        fn tenant(&self) -> &str {
            self.0
        }
    }
}
