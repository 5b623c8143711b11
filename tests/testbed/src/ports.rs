//! Loopback ports: finding a free one, and recognizing that one was taken.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    time::Duration,
};

use crate::{Error, Result};

/// A loopback port that was free a moment ago.
///
/// Somebody may take it before the component does; starting is therefore tried
/// twice (see [`retry_once`]).
pub(crate) fn free() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::io("find a free port on", "127.0.0.1"))
}

/// Calls `start` again with other ports when a port that we chose ourselves was
/// taken meanwhile. A port that the caller insisted on is not worth a retry.
pub(crate) fn retry_once<T>(ports_are_ours: bool, mut start: impl FnMut() -> Result<T>) -> Result<T> {
    match start() {
        Err(Error::PortTaken { .. }) if ports_are_ours => start(),
        result => result,
    }
}

/// Whether somebody listens on the address.
pub(crate) fn is_open(address: SocketAddrV4) -> bool {
    TcpStream::connect_timeout(&SocketAddr::V4(address), Duration::from_secs(1)).is_ok()
}

/// The port that a Go program complains about, if that is what it died of.
pub(crate) fn taken(log: &str) -> Option<u16> {
    let (before, _) = log.split_once(": bind: address already in use")?;
    let (_, port) = before.rsplit_once(':')?;
    port.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::taken;

    #[test]
    fn finds_the_taken_port_in_a_log() {
        let log = "failed: listen tcp 127.0.0.1:27070: bind: address already in use\n";
        assert_eq!(taken(log), Some(27070));
        assert_eq!(taken("some other reason"), None);
    }
}
