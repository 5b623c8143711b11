//! Loopback ports: finding a free one, and trying again when it was taken.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::Result;

use crate::{component::ENDED_EARLY, disk::cannot};

/// A loopback port that was free a moment ago.
///
/// Somebody may take it before the component does; starting is therefore tried
/// twice (see [`retry_once`]).
pub(crate) fn free() -> Result<u16> {
    several().map(|[port]| port)
}

/// The same for several, which differ.
pub(crate) fn several<const N: usize>() -> Result<[u16; N]> {
    // All are held until the last one is found.
    let mut held = Vec::new();
    let mut found = [0; N];
    for port in &mut found {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .map_err(cannot("find a free port on", "127.0.0.1"))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(found)
}

/// Calls `start` again, with other ports, when a port was taken meanwhile: then a component has
/// ended, and the end of its log, which is in the error, says so.
pub(crate) fn retry_once<T>(mut start: impl FnMut() -> Result<T>) -> Result<T> {
    let is_taken = |error: &anyhow::Error| {
        let text = format!("{error:#}");
        text.contains(ENDED_EARLY) && text.contains("bind: address already in use")
    };
    match start() {
        Err(error) if is_taken(&error) => start(),
        result => result,
    }
}

/// Whether somebody listens on the address.
pub(crate) fn is_open(address: SocketAddrV4) -> bool {
    TcpStream::connect_timeout(&SocketAddr::V4(address), Duration::from_secs(1)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn only_a_start_whose_port_was_taken_is_tried_again() {
        let etcd = "etcd ended early (exit status: 1); the end of its log:\n\
            listen tcp 127.0.0.1:2379: bind: address already in use";
        let slow = "kube-apiserver was not ready after 90 s; the end of its log:\n\
            listen tcp 127.0.0.1:6443: bind: address already in use";
        for (error, count) in [(etcd, 2), (slow, 1), ("etcd ended early (exit status: 2)", 1)] {
            let calls = Cell::new(0);
            let start = || -> Result<()> {
                calls.set(calls.get() + 1);
                Err(anyhow!(error)).context("cannot start")
            };
            assert!(retry_once(start).is_err());
            assert_eq!(calls.get(), count, "{error}");
        }
    }
}
