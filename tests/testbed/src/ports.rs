//! Loopback ports: finding a free one, and trying again when it was taken.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::Result;

use crate::disk::cannot;

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

/// Calls `start` again, with other ports, when a port was taken meanwhile. The end of the
/// component's log, which is in the error, says so.
pub(crate) fn retry_once<T>(mut start: impl FnMut() -> Result<T>) -> Result<T> {
    match start() {
        Err(error) if format!("{error:#}").contains("bind: address already in use") => start(),
        result => result,
    }
}

/// Whether somebody listens on the address.
pub(crate) fn is_open(address: SocketAddrV4) -> bool {
    TcpStream::connect_timeout(&SocketAddr::V4(address), Duration::from_secs(1)).is_ok()
}
