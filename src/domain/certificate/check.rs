//! Whether a certificate can be served: checked as a client and as a server check it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{RootCertStore, ServerConfig};

use super::ServingPair;

/// Whether clients that trust the CA accept the certificate for each of the names, now and until the time that
/// is stored as its expiry, and whether the private key belongs to it.
pub(super) fn is_usable(pair: &ServingPair, names: &[String], now: Timestamp) -> bool {
    now < pair.expires_at && accepted(pair, names, now).is_some()
}

fn accepted(pair: &ServingPair, names: &[String], now: Timestamp) -> Option<()> {
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).ok()?;
    let key = PrivateKeyDer::from_pem_slice(pair.key.expose().as_bytes()).ok()?;
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pair.ca.as_bytes()).ok()?).ok()?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let verifier = verifier.build().ok()?;
    for name in names {
        let name = ServerName::try_from(name.as_str()).ok()?;
        for time in [now, pair.expires_at] {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(time.as_second().try_into().ok()?));
            verifier.verify_server_cert(&certificate, &[], &name, &[], time).ok()?;
        }
    }
    let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    server.with_no_client_auth().with_single_cert(vec![certificate], key).ok()?;
    Some(())
}
