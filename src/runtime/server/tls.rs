//! TLS for a port: a certificate from two files, which are read again when they change.
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

use crate::runtime::server::turns::Turns;

/// The time between two reads of the files. That is often enough: cert-manager renews weeks before the
/// expiry, and kubelet takes a minute to update the files.
const LOOK: Duration = Duration::from_secs(10);
/// The time between two handshakes of one peer. Each takes up to a millisecond of a core.
const PACE: Duration = Duration::from_millis(20);

/// The certificate of a port.
///
/// # Guarantees
/// If the files cannot be used, for example because only one was replaced, the certificate that was read
/// before stays in use.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Current>,
    turns: Turns,
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
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let files = Files::read(&certificate, &key)?;
        let config = files.config(&certificate, &key)?;
        let current = RwLock::new(Current { files, config });
        Ok(Self { certificate, key, current, turns: Turns::default() })
    }

    /// Reads the files again and again, for as long as the process runs.
    pub(super) async fn follow(&self) {
        let mut is_in_trouble = false;
        loop {
            sleep(LOOK).await;
            match self.look() {
                Ok(is_new) => {
                    if is_new {
                        tracing::info!(path = %self.certificate.display(), "the certificate was read again");
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
    fn look(&self) -> Result<bool, TlsError> {
        let files = Files::read(&self.certificate, &self.key)?;
        if self.current.read().unwrap_or_else(PoisonError::into_inner).files == files {
            return Ok(false);
        }
        let config = files.config(&self.certificate, &self.key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { files, config };
        Ok(true)
    }

    /// Does the TLS handshake with a peer.
    pub(super) async fn accept(&self, peer: IpAddr, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let turn = self.turns.take(peer).await;
        sleep(PACE).await;
        // The turn ends before the handshake, so that a slow one does not delay others of the same peer.
        drop(turn);
        let config = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).config);
        TlsAcceptor::from(config).accept(stream).await
    }
}

impl Files {
    fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
        };
        Ok(Self { certificate: read(certificate)?, key: read(key)? })
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
        let config = || Arc::clone(&tls.current.read().unwrap().config);
        let first = config();
        assert!(!tls.look().unwrap());
        let old_key = fs::read(&key).unwrap();
        write(folder.path());
        let new_key = fs::read(&key).unwrap();

        fs::write(&key, old_key).unwrap();
        assert!(matches!(tls.look(), Err(TlsError::Unusable { .. })));
        fs::write(&key, "none").unwrap();
        let said = tls.look().unwrap_err().to_string();
        assert!(said.contains("tls.key holds no private key as PEM"), "{said}");
        fs::remove_file(&key).unwrap();
        assert!(matches!(tls.look(), Err(TlsError::Unreadable { .. })));
        assert!(Arc::ptr_eq(&first, &config()), "what cannot be used changes nothing");

        fs::write(&key, new_key).unwrap();
        assert!(tls.look().unwrap());
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
}
