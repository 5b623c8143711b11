//! The open connections. Their number is bounded, and this file decides which one is closed for a new
//! one.
//!
//! `http.rs` handles the requests on a connection.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::future::{Future, pending};
use std::net::IpAddr;

use tokio::task::{AbortHandle, Id, JoinSet};

/// The open connections, one task for each.
///
/// # Guarantees
/// - There are at most `limit` connections. A new one is always accepted. If needed, the oldest connection
///   of the address with the most connections is closed for it; if several addresses have as many, the
///   oldest of all of these.
/// - The address with the most connections therefore closes only its own. Among many peers at one address
///   (behind a NAT), a new connection stays open until as many newer ones have been opened.
#[derive(Debug)]
pub(super) struct Connections {
    limit: usize,
    tasks: JoinSet<()>,
    /// The connections by address, the oldest first.
    open: HashMap<IpAddr, VecDeque<Open>>,
    peers: HashMap<Id, IpAddr>,
    /// How many connections have been opened.
    count: u64,
}

#[derive(Debug)]
struct Open {
    number: u64,
    handle: AbortHandle,
}

impl Connections {
    pub fn new(limit: usize) -> Self {
        Self { limit, tasks: JoinSet::new(), open: HashMap::new(), peers: HashMap::new(), count: 0 }
    }

    /// Spawns the task of a new connection.
    pub fn add(&mut self, peer: IpAddr, connection: impl Future<Output = ()> + Send + 'static) {
        if self.peers.len() >= self.limit {
            self.close_one();
        }
        let handle = self.tasks.spawn(connection);
        // An IPv4-mapped IPv6 address counts as the IPv4 address.
        let peer = peer.to_canonical();
        self.peers.insert(handle.id(), peer);
        self.count += 1;
        self.open.entry(peer).or_default().push_back(Open { number: self.count, handle });
    }

    /// Closes the oldest connection of the address that has the most.
    pub fn close_one(&mut self) {
        let rank = |open: &VecDeque<Open>| (open.len(), Reverse(open.front().map(|oldest| oldest.number)));
        let Some(crowd) = self.open.values_mut().max_by_key(|open| rank(open)) else { return };
        let Some(Open { handle, .. }) = crowd.pop_front() else { return };
        handle.abort();
        self.forget(handle.id());
    }

    /// Resolves when a connection has ended. Never resolves while there is none.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped and called again.
    pub async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => self.forget(id),
            // The connection was closed, or its task panicked.
            Some(Err(error)) => self.forget(error.id()),
            None => pending().await,
        }
    }

    fn forget(&mut self, id: Id) {
        let Some(peer) = self.peers.remove(&id) else { return };
        let Some(open) = self.open.get_mut(&peer) else { return };
        open.retain(|open| open.handle.id() != id);
        if open.is_empty() {
            self.open.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A connection that records its name when it is closed.
    struct Guest(&'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Drop for Guest {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[tokio::test]
    async fn the_oldest_of_the_address_with_the_most_goes_for_a_new_one() {
        let closed = Arc::default();
        let mut connections = Connections::new(4);
        let (many, node, mapped) = ("10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1");
        for (peer, name) in [
            (node, "probe"),
            (many, "first"),
            (mapped, "second"),
            (many, "third"),
            (many, "fourth"),
            (node, "another probe"),
        ] {
            let guest = Guest(name, Arc::clone(&closed));
            connections.add(peer.parse().unwrap(), async move {
                let _guest = guest;
                pending::<()>().await;
            });
        }
        connections.ended().await;
        connections.ended().await;
        assert_eq!(*closed.lock().unwrap(), ["first", "second"]);
        assert_eq!(connections.peers.len(), 4);
    }

    #[tokio::test]
    async fn among_peers_with_as_many_each_the_oldest_goes() {
        let closed = Arc::default();
        let mut connections = Connections::new(3);
        for (peer, name) in [(1, "first"), (2, "second"), (3, "third"), (4, "fourth"), (5, "fifth")] {
            let guest = Guest(name, Arc::clone(&closed));
            connections.add(IpAddr::from([10, 0, 0, peer]), async move {
                let _guest = guest;
                pending::<()>().await;
            });
        }
        connections.ended().await;
        connections.ended().await;
        assert_eq!(*closed.lock().unwrap(), ["first", "second"]);
    }

    #[tokio::test]
    async fn one_that_has_ended_makes_room() {
        let mut connections = Connections::new(2);
        let peer = IpAddr::from([10, 0, 0, 1]);
        connections.add(peer, pending());
        connections.add(peer, async {});
        connections.ended().await;
        connections.add(peer, pending());
        assert_eq!((connections.tasks.len(), connections.open[&peer].len()), (2, 2));
        connections.add(IpAddr::from([10, 0, 0, 2]), async { panic!("on purpose") });
        connections.ended().await;
        connections.ended().await;
        assert_eq!((connections.peers.len(), connections.open.len()), (1, 1));
    }
}
