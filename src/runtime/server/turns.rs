//! The turns of peers, for work that costs more than a page: reviews of tokens, and starts of handshakes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// The turns of peers. Connections from one address wait for each other; others do not.
#[derive(Debug, Default)]
pub(super) struct Turns(std::sync::Mutex<HashMap<IpAddr, Arc<Mutex<()>>>>);

impl Turns {
    /// Waits for the turn of this connection of the peer. The turn lasts until the guard is dropped.
    pub async fn take(&self, peer: IpAddr) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Drops the turns that no connection holds or waits for.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(peer.to_canonical()).or_default())
        };
        turn.lock_owned().await
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
        assert_eq!(turns.0.lock().unwrap().len(), 1, "those that were done with are forgotten");
    }
}
