//! Certificates of servers under test, each of which signed itself.

use std::{path::Path, sync::Arc};

use anyhow::Result;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

use crate::disk::write;

/// A certificate with its private key.
pub struct ServerCertificate(CertifiedKey<KeyPair>);

impl ServerCertificate {
    /// For a host name or an IP address.
    ///
    /// # Panics
    /// When it is neither.
    pub fn of(host: &str) -> Self {
        Self(generate_simple_self_signed([host.to_owned()]).expect("a certificate of a host can be signed"))
    }

    /// The certificate as PEM, which is also what clients have to trust.
    pub fn pem(&self) -> String {
        self.0.cert.pem()
    }

    /// Writes `tls.crt` and `tls.key` into a folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write(&folder.join("tls.crt"), self.pem())?;
        write(&folder.join("tls.key"), self.0.signing_key.serialize_pem())
    }

    /// What a server takes connections with.
    ///
    /// # Panics
    /// Never, since the certificate and the key belong together.
    pub fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.0.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.0.cert.der().clone()], key)
            .expect("they belong together");
        TlsAcceptor::from(Arc::new(config))
    }
}
