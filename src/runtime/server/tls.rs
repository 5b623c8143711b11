//! TLS of a port: a certificate from two files, read again when they change.
//!
//! Who may ask is `access.rs`.

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

/// How often the files are looked at. cert-manager renews weeks before the end, and kubelet
/// takes a minute to show it.
const LOOK: Duration = Duration::from_secs(10);
/// The time between two handshakes of one peer: each costs up to a millisecond of a core.
const PACE: Duration = Duration::from_millis(20);

/// The certificate of a port.
///
/// # Guarantees
/// A pair of files that cannot be used, as one of which only half was replaced, changes
/// nothing: the certificate that was read before stays.
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

/// What the files hold.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there or not for us.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no {what} as PEM", path.display())]
    NotPem {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why not.
        source: pem::Error,
    },
    /// Certificate and key do not fit together, or cannot be used here.
    #[error("cannot use the certificate in {}", path.display())]
    Unusable {
        /// The file of the certificate.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

impl Tls {
    /// Reads the files: a certificate, followed by those that it needs to be believed, and its
    /// private key.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let files = Files::read(&certificate, &key)?;
        let config = files.config(&certificate, &key)?;
        let current = RwLock::new(Current { files, config });
        Ok(Self { certificate, key, current, turns: Turns::default() })
    }

    /// Looks for changed files, for ever.
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
                        tracing::warn!(cause, "{error}: the certificate that was read before stays");
                    }
                }
            }
        }
    }

    /// Reads the files again, and says whether they have changed.
    fn look(&self) -> Result<bool, TlsError> {
        let files = Files::read(&self.certificate, &self.key)?;
        if self.current.read().unwrap_or_else(PoisonError::into_inner).files == files {
            return Ok(false);
        }
        let config = files.config(&self.certificate, &self.key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { files, config };
        Ok(true)
    }

    /// Shakes hands with a peer.
    pub(super) async fn accept(&self, peer: IpAddr, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let turn = self.turns.take(peer).await;
        sleep(PACE).await;
        // A peer that is slow to shake hands holds up none of its others.
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
