//! Limits for each peer, for work that costs more than a page: reviews of tokens, and starts of handshakes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Limits for each peer. Connections from one address wait for each other; others do not.
#[derive(Debug)]
pub(super) struct PeerLimits {
    at_once: usize,
    all: std::sync::Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

impl PeerLimits {
    /// Limits that permit one peer so many at once.
    pub fn new(at_once: usize) -> Self {
        Self { at_once, all: std::sync::Mutex::default() }
    }

    /// Waits until this connection of the peer may go on. It counts against the limit until the permit is dropped.
    pub async fn acquire(&self, peer: IpAddr) -> Option<OwnedSemaphorePermit> {
        let semaphore = {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            // Drops the semaphores that no connection holds or waits for.
            all.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
            let entry = all.entry(peer.to_canonical());
            Arc::clone(entry.or_insert_with(|| Arc::new(Semaphore::new(self.at_once))))
        };
        // It is never closed.
        semaphore.acquire_owned().await.ok()
    }
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self::new(1)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn peers_wait_for_themselves_alone() {
        let limits = PeerLimits::default();
        let [one, other, mapped] =
            ["10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let permit = limits.acquire(one).now_or_never().expect("nobody else is there");
        assert!(limits.acquire(mapped).now_or_never().is_none());
        assert!(limits.acquire(other).now_or_never().is_some());
        drop(permit);
        assert!(limits.acquire(mapped).now_or_never().is_some());
        assert_eq!(limits.all.lock().unwrap().len(), 1, "those that were done with are forgotten");
    }
}
