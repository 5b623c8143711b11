//! The certificates that a client trusts.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Reads certificates as PEM: at least one, all of which can be used.
///
/// # Errors
/// What is wrong, to be put behind the name of the field or file.
pub(super) fn read_roots(pem: &[u8]) -> Result<RootCertStore, &'static str> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "is not PEM")?;
        roots.add(certificate).map_err(|_| "has a certificate that cannot be used")?;
    }
    if roots.is_empty() { Err("has no certificate") } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_certificate_must_be_usable() {
        let certificate = || rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap().cert.pem();
        let two = certificate() + &certificate();
        assert_eq!(read_roots(two.as_bytes()).unwrap().len(), 2);
        let unusable = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let mixed = certificate() + unusable;
        for (bad, problem) in [
            ("", "has no certificate"),
            ("x", "has no certificate"),
            ("-----BEGIN CERTIFICATE-----\n!", "is not PEM"),
            (unusable, "has a certificate that cannot be used"),
            (&mixed, "has a certificate that cannot be used"),
        ] {
            assert_eq!(read_roots(bad.as_bytes()).unwrap_err(), problem, "{bad}");
        }
    }
}
