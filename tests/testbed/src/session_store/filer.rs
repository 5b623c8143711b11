//! The way to the objects that asks nobody for permission: the filer, over plain HTTP.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use crate::http::{HttpAnswer, http_get, http_request};

/// Longer than the server ever takes.
const LIMIT: Duration = Duration::from_secs(10);

/// The filer at a port.
pub(super) struct Filer {
    address: SocketAddrV4,
}

impl Filer {
    pub(super) fn at(port: u16) -> Self {
        Self { address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port) }
    }

    /// Makes a folder and those above it, unless it is there.
    pub(super) fn make_folder(&self, path: &str) -> Result<()> {
        self.ask("POST", &format!("{path}/"), b"", |status| status == 409).map(|_| ())
    }

    /// Writes a file.
    pub(super) fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.ask("PUT", path, bytes, |_| false).map(|_| ())
    }

    /// The bytes of a file.
    pub(super) fn get(&self, path: &str) -> Result<Vec<u8>> {
        self.ask("GET", path, b"", |_| false)
    }

    fn ask(&self, method: &str, path: &str, body: &[u8], is_fine: fn(u16) -> bool) -> Result<Vec<u8>> {
        let HttpAnswer { status, body } = http_request(self.address, method, &encoded(path), body, LIMIT)
            .with_context(|| format!("cannot {method} {path} at the filer"))?;
        let said = String::from_utf8_lossy(&body);
        let is_done = (200..300).contains(&status) || is_fine(status);
        ensure!(is_done, "{method} {path} at the filer: {status} {said}");
        Ok(body)
    }
}

/// Whether S3 answers at all.
pub(super) fn is_healthy(port: u16) -> bool {
    gives(port, "/healthz")
}

/// Whether S3 gives something to somebody without a key.
pub(super) fn gives(port: u16, path: &str) -> bool {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    http_get(address, path, LIMIT).is_ok_and(|answer| answer.status == 200)
}

/// A path as a URL has it.
fn encoded(path: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
    encoded.replace('+', "%20").replace("%2F", "/")
}
