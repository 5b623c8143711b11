//! The socket that the kubelet connects to.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use futures::Stream;
use tokio::net::{UnixListener, UnixStream};

use super::NodeFailure;

/// The file of an open socket, which goes with it.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Opens the socket. One that a killed driver left behind is replaced.
pub(super) fn open(path: &Path) -> Result<(SocketFile, UnixListener), NodeFailure> {
    let listener = bind(path).map_err(|source| NodeFailure::Socket { path: path.to_owned(), source })?;
    Ok((SocketFile(path.to_owned()), listener))
}

/// The connections to a socket.
pub(super) fn incoming(
    listener: UnixListener,
) -> impl Stream<Item = io::Result<UnixStream>> + Send + 'static {
    futures::stream::unfold(listener, |listener| async move {
        Some((listener.accept().await.map(|(stream, _)| stream), listener))
    })
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Ok(known) = std::fs::symlink_metadata(path) {
        if !known.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is another file: remove it"));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
