//! Files and folders, with errors that name them.

use std::{fs, io, path::Path};

use anyhow::{Error, Result};

/// For `map_err`: adds to the system's reason what was tried, on what.
pub fn cannot(action: &str, what: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
    let tried = format!("cannot {action} {}", what.as_ref().display());
    move |reason| Error::new(reason).context(tried)
}

/// The text of a file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(cannot("read", path))
}

/// The bytes of a file.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(cannot("read", path))
}

/// Writes a file.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, contents).map_err(cannot("write", path))
}

/// Makes a folder and those above it.
pub fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(cannot("make", path))
}
