//! The certificate authorities that a client trusts, from a file that is read again before each connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::ring;
use tokio::io::AsyncReadExt as _;

use crate::runtime::client::trust::read_roots;
use crate::runtime::lock::Lock;

/// How much of a file is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The certificate authorities in a file. No others are trusted.
///
/// # Guarantees
/// If the file cannot be used any more, what was read before stays in use.
#[derive(Debug)]
pub(super) struct RootsFile {
    path: PathBuf,
    current: Lock<CurrentRoots>,
}

#[derive(Debug, Default)]
struct CurrentRoots {
    used: Option<(Vec<u8>, Arc<ClientConfig>)>,
    is_in_trouble: bool,
}

impl RootsFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, current: Lock::default() }
    }

    /// The settings for connections, by what the file contains now.
    ///
    /// # Errors
    /// What is wrong with the file, if it could not be used up to now.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let outcome = self.reload(read(&self.path).await);
        let mut current = self.current.write();
        match (outcome, &current.used) {
            (Ok(used), _) => {
                let config = used.1.clone();
                *current = CurrentRoots { used: Some(used), is_in_trouble: false };
                Ok(config)
            }
            (Err(problem), Some((_, config))) => {
                let config = config.clone();
                if !std::mem::replace(&mut current.is_in_trouble, true) {
                    tracing::warn!("{problem}: still using the previous certificates");
                }
                Ok(config)
            }
            (Err(problem), None) => Err(problem),
        }
    }

    /// What is used from now on.
    fn reload(&self, read: std::io::Result<Vec<u8>>) -> Result<(Vec<u8>, Arc<ClientConfig>), String> {
        let path = self.path.display();
        let pem = read.map_err(|error| format!("cannot read {path}: {error}"))?;
        if let Some((known, config)) = &self.current.read().used
            && *known == pem
        {
            return Ok((pem, config.clone()));
        }
        let config = config(&pem).ok_or_else(|| format!("{path} holds no certificates as PEM"))?;
        Ok((pem, Arc::new(config)))
    }
}

async fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut pem = Vec::new();
    tokio::fs::File::open(path).await?.take(MAX_FILE).read_to_end(&mut pem).await?;
    Ok(pem)
}

/// The settings for connections that trust these certificates; `None` if one of them cannot be used, or if
/// there are none.
fn config(pem: &[u8]) -> Option<ClientConfig> {
    let roots = read_roots(pem).ok()?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> String {
        rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap().cert.pem()
    }

    #[tokio::test]
    async fn the_file_can_come_later_and_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        let roots = RootsFile::new(path.clone());
        assert!(roots.config().await.unwrap_err().contains("cannot read"));
        std::fs::write(&path, "-----BEGIN").unwrap();
        assert!(roots.config().await.unwrap_err().contains("holds no certificates"));

        std::fs::write(&path, certificate() + &certificate()).unwrap();
        let first = roots.config().await.unwrap();
        assert!(Arc::ptr_eq(&first, &roots.config().await.unwrap()), "it is the same file");
        for bad in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&path, bad).unwrap();
            assert!(Arc::ptr_eq(&first, &roots.config().await.unwrap()), "{bad}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(Arc::ptr_eq(&first, &roots.config().await.unwrap()));

        std::fs::write(&path, certificate()).unwrap();
        assert!(!Arc::ptr_eq(&first, &roots.config().await.unwrap()));
    }
}
