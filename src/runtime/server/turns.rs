//! The turns of peers, for work that costs more than a page: reviews of tokens, and starts of handshakes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of peers. Connections from one address wait for each other; others do not.
#[derive(Debug)]
pub(super) struct Turns {
    at_once: usize,
    all: std::sync::Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

impl Turns {
    /// Turns of which one peer has at most so many at once.
    pub fn new(at_once: usize) -> Self {
        Self { at_once, all: std::sync::Mutex::default() }
    }

    /// Waits for the turn of this connection of the peer. The turn lasts until the permit is dropped.
    pub async fn take(&self, peer: IpAddr) -> Option<OwnedSemaphorePermit> {
        let turn = {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            // Drops the turns that no connection holds or waits for.
            all.retain(|_, turn| Arc::strong_count(turn) > 1);
            let turn = all.entry(peer.to_canonical());
            Arc::clone(turn.or_insert_with(|| Arc::new(Semaphore::new(self.at_once))))
        };
        // It is never closed.
        turn.acquire_owned().await.ok()
    }
}

impl Default for Turns {
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
        let turns = Turns::default();
        let [one, other, mapped] =
            ["10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let turn = turns.take(one).now_or_never().expect("nobody else is there");
        assert!(turns.take(mapped).now_or_never().is_none());
        assert!(turns.take(other).now_or_never().is_some());
        drop(turn);
        assert!(turns.take(mapped).now_or_never().is_some());
        assert_eq!(turns.all.lock().unwrap().len(), 1, "those that were done with are forgotten");
    }
}
