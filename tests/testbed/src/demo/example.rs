//! What the demo brings along: the files in `deploy/examples`, with what a person would
//! change in them, and bytes to carry.

use std::path::Path;

use anyhow::{Result, ensure};
use fastrand::Rng;
use testbed::{ObjectStore, disk};

/// Region that the examples for Qencode sign for; the demo's store has the same.
pub(super) const REGION: &str = "us-west";

/// An example for the demo's store: another endpoint, and a real access key.
pub(super) fn read(name: &str, store: &ObjectStore) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples").join(name);
    let endpoint = store.endpoint();
    let replacements = [
        ("https://us-west.s3.qencode.com", endpoint.as_str()),
        ("YOUR-ACCESS-KEY-ID", store.access_key_id()),
        ("YOUR-SECRET-ACCESS-KEY", store.secret_access_key()),
    ];
    let mut text = disk::read(&path)?;
    for (placeholder, value) in replacements {
        ensure!(text.contains(placeholder), "{} holds no {placeholder:?} to replace", path.display());
        text = text.replace(placeholder, value);
    }
    Ok(text)
}

/// So many bytes that no compression or text conversion leaves as they are. The same at
/// each call: nothing here has to be secret.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Rng::with_seed(1).fill(&mut bytes);
    bytes
}
