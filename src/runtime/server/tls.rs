//! TLS for a port: a certificate from two files, which are read again when they change, or one that is
//! given while the port is served.
//!
//! Access control is in `access.rs`.

use std::error::Error as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use std::{fs, io};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::runtime::server::peer_limits::PeerLimits;

/// The time between two reads of the files. That is often enough: cert-manager renews weeks before the
/// expiry, and kubelet takes a minute to update the files.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);
/// The time between two handshakes of one peer. Each takes up to a millisecond of a core.
const PACE: Duration = Duration::from_millis(20);

/// The certificate of a port.
///
/// # Guarantees
/// If the files cannot be used, for example because only one was replaced, the certificate that was read
/// before stays in use.
#[derive(Debug)]
pub struct Tls {
    /// Where the certificate is read; `None` if it is given.
    paths: Option<Paths>,
    current: RwLock<Option<Current>>,
    peers: PeerLimits,
}

#[derive(Debug)]
struct Paths {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Debug)]
struct Current {
    files: Files,
    config: Arc<ServerConfig>,
}

/// The contents of the files.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file does not exist or may not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// A file does not contain what it should.
    #[error("{} holds no {what} as PEM", path.display())]
    NotPem {
        /// Path of the file.
        path: PathBuf,
        /// What the file should contain.
        what: &'static str,
        /// The error of the PEM parser.
        source: pem::Error,
    },
    /// The certificate and the key do not belong together, or cannot be used for TLS.
    #[error("cannot use the certificate in {}", path.display())]
    Unusable {
        /// Path of the certificate file.
        path: PathBuf,
        /// Why they cannot be used.
        source: rustls::Error,
    },
}

impl Tls {
    /// Reads the files: a certificate, followed by its intermediate certificates, and its private key.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let paths = Paths { certificate: certificate.to_owned(), key: key.to_owned() };
        let tls = Self::without_certificate();
        tls.take(Files::read(&paths)?, &paths)?;
        Ok(Self { paths: Some(paths), ..tls })
    }

    /// A port without a certificate, which refuses every handshake until it is [given](Self::give) one.
    #[must_use]
    pub fn without_certificate() -> Self {
        Self { paths: None, current: RwLock::default(), peers: PeerLimits::default() }
    }

    /// Serves this certificate, with this private key, both as PEM, from now on.
    pub fn give(&self, certificate: &[u8], key: &[u8]) -> Result<(), TlsError> {
        // The names of the usual data keys of a Secret, for errors.
        let paths = Paths { certificate: "tls.crt".into(), key: "tls.key".into() };
        self.take(Files { certificate: certificate.to_vec(), key: key.to_vec() }, &paths).map(drop)
    }

    /// Whether there is a certificate.
    #[must_use]
    pub fn has_certificate(&self) -> bool {
        self.current.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Reads the files again and again, for as long as the process runs.
    pub(super) async fn reload_on_change(&self) {
        let Some(paths) = &self.paths else { return std::future::pending().await };
        let mut is_in_trouble = false;
        loop {
            sleep(RELOAD_INTERVAL).await;
            match self.reload(paths) {
                Ok(is_new) => {
                    if is_new {
                        tracing::info!(path = %paths.certificate.display(), "the certificate was read again");
                    }
                    is_in_trouble = false;
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_in_trouble, true) {
                        let cause = error.source().map(ToString::to_string);
                        tracing::warn!(cause, "{error}: still using the previous certificate");
                    }
                }
            }
        }
    }

    /// Reads the files again, and returns whether they have changed.
    fn reload(&self, paths: &Paths) -> Result<bool, TlsError> {
        self.take(Files::read(paths)?, paths)
    }

    /// Serves what the files contain, and returns whether it is something new.
    fn take(&self, files: Files, paths: &Paths) -> Result<bool, TlsError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| current.files == files) {
            return Ok(false);
        }
        drop(current);
        let config = files.config(&paths.certificate, &paths.key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Current { files, config });
        Ok(true)
    }

    fn config(&self) -> Option<Arc<ServerConfig>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|current| Arc::clone(&current.config))
    }

    /// Does the TLS handshake with a peer.
    pub(super) async fn accept(&self, peer: IpAddr, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let permit = self.peers.acquire(peer).await;
        sleep(PACE).await;
        // The permit is dropped before the handshake, so that a slow one does not delay others of the same peer.
        drop(permit);
        let config = self.config().ok_or_else(|| io::Error::other("this port has no certificate yet"))?;
        TlsAcceptor::from(config).accept(stream).await
    }
}

impl Files {
    fn read(paths: &Paths) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
        };
        Ok(Self { certificate: read(&paths.certificate)?, key: read(&paths.key)? })
    }

    fn config(&self, certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain =
            chain.and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) });
        let not_pem = |path: &Path, what| {
            let path = path.to_owned();
            move |source| TlsError::NotPem { path, what, source }
        };
        let chain = chain.map_err(not_pem(certificate, "certificate"))?;
        let private = PrivateKeyDer::from_pem_slice(&self.key).map_err(not_pem(key, "private key"))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
        let path = certificate.to_owned();
        let mut config = config.map_err(|source| TlsError::Unusable { path, source })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn write(folder: &Path) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["a".to_owned()]).unwrap();
        fs::write(folder.join("tls.crt"), cert.pem()).unwrap();
        fs::write(folder.join("tls.key"), signing_key.serialize_pem()).unwrap();
    }

    #[test]
    fn changed_files_are_taken_when_they_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        write(folder.path());
        let tls = Tls::read(&certificate, &key).unwrap();
        let config = || tls.config().unwrap();
        let reload = || tls.reload(tls.paths.as_ref().unwrap());
        let first = config();
        assert!(!reload().unwrap());
        let old_key = fs::read(&key).unwrap();
        write(folder.path());
        let new_key = fs::read(&key).unwrap();

        fs::write(&key, old_key).unwrap();
        assert!(matches!(reload(), Err(TlsError::Unusable { .. })));
        fs::write(&key, "none").unwrap();
        let said = reload().unwrap_err().to_string();
        assert!(said.contains("tls.key holds no private key as PEM"), "{said}");
        fs::remove_file(&key).unwrap();
        assert!(matches!(reload(), Err(TlsError::Unreadable { .. })));
        assert!(Arc::ptr_eq(&first, &config()), "what cannot be used changes nothing");

        fs::write(&key, new_key).unwrap();
        assert!(reload().unwrap());
        assert!(!Arc::ptr_eq(&first, &config()));
    }

    #[test]
    fn a_file_that_holds_no_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        fs::write(&certificate, "").unwrap();
        let said = Tls::read(&certificate, &key).unwrap_err().to_string();
        assert!(said.contains("tls.crt holds no certificate as PEM"), "{said}");
    }

    #[test]
    fn a_given_certificate_stays_when_the_next_one_cannot_be_used() {
        let tls = Tls::without_certificate();
        assert!(!tls.has_certificate());
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["a".to_owned()]).unwrap();
        let (certificate, key) = (cert.pem(), signing_key.serialize_pem());
        assert!(tls.give(certificate.as_bytes(), b"").is_err() && !tls.has_certificate());
        tls.give(certificate.as_bytes(), key.as_bytes()).unwrap();
        let config = || tls.config().unwrap();
        let first = config();
        tls.give(b"garbage", key.as_bytes()).unwrap_err();
        tls.give(certificate.as_bytes(), key.as_bytes()).unwrap();
        assert!(Arc::ptr_eq(&first, &config()));
    }
}
