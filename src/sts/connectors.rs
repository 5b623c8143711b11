//! Connections to the servers, with TLS, the trusted certificates and the proxy.
//!
//! A connector is kept for each set of certificates and each way to connect, because to build one costs
//! as much as a handshake, and because it keeps connections open for a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

use crate::runtime::client::{AddressClass, resolve};

/// How many connectors are kept. When there are more, all are dropped and built again as needed.
const CAPACITY: usize = 32;
/// How long a connection that is not used stays open.
const IDLE: Duration = Duration::from_secs(20);

/// How to connect to a server.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Way {
    /// To addresses of a class up to this one. Through the proxy, if there is one, which then resolves the
    /// name.
    Guarded(AddressClass),
    /// To any address, and never through the proxy. For the servers in the environment of the operator.
    Direct,
}

/// All connectors in use.
pub(super) struct Connectors {
    ca_bundle: Option<String>,
    proxy: Option<ProxyConfig>,
    kept: Mutex<HashMap<(Option<[u8; 32]>, Way), SharedHttpConnector>>,
}

/// Certificates that cannot be used. Says nothing of their content.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("caBundle {problem}: set it to CERTIFICATE blocks as PEM")]
pub struct InvalidCaBundle {
    problem: &'static str,
}

/// Why the settings for all calls cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StsTermsError {
    /// The certificates cannot be used.
    #[error(transparent)]
    CaBundle(#[from] InvalidCaBundle),
    /// The proxy cannot be used. Its URL is not shown, because it can contain a password.
    #[error("the proxy is not a URL: write http://HOST:PORT or https://HOST:PORT")]
    Proxy,
}

impl Connectors {
    /// No connectors yet. `ca_bundle` (PEM) and `proxy` (a URL) apply to all of them.
    pub(super) fn new(
        ca_bundle: Option<String>,
        proxy: Option<&str>,
        no_proxy: Option<&str>,
    ) -> Result<Self, StsTermsError> {
        ca_bundle.as_deref().map_or(Ok(()), check)?;
        let proxy = proxy.map(ProxyConfig::https).transpose().map_err(|_| StsTermsError::Proxy)?;
        let proxy = proxy.map(|proxy| proxy.no_proxy(no_proxy.unwrap_or_default()));
        Ok(Self { ca_bundle, proxy, kept: Mutex::default() })
    }

    /// With a connector for every STS that needs no further certificates.
    pub(super) fn over(connector: &SharedHttpConnector) -> Self {
        let classes =
            [AddressClass::Public, AddressClass::Private, AddressClass::Loopback, AddressClass::Forbidden];
        let kept = classes.map(|most| ((None, Way::Guarded(most)), connector.clone()));
        Self { ca_bundle: None, proxy: None, kept: Mutex::new(HashMap::from(kept)) }
    }

    /// The connector for a set of further certificates (PEM) and a way to connect.
    pub(super) fn get(
        &self,
        ca_bundle: Option<&str>,
        way: Way,
    ) -> Result<SharedHttpConnector, InvalidCaBundle> {
        let key = (ca_bundle.map(|pem| Sha256::digest(pem).into()), way);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connector) = kept.get(&key) {
            return Ok(connector.clone());
        }
        let connector = self.build(ca_bundle, way)?;
        if kept.len() >= CAPACITY {
            kept.clear();
        }
        kept.insert(key, connector.clone());
        Ok(connector)
    }

    fn build(&self, ca_bundle: Option<&str>, way: Way) -> Result<SharedHttpConnector, InvalidCaBundle> {
        let mut trusted = TrustStore::default();
        for pem in [self.ca_bundle.as_deref(), ca_bundle].into_iter().flatten() {
            // The connector would panic.
            check(pem)?;
            trusted.add_pem_certificate(pem);
        }
        let context = TlsContext::builder().with_trust_store(trusted).build();
        let context = context.map_err(|_| InvalidCaBundle { problem: "cannot be used" })?;
        let mut builder: ConnectorBuilder<_> = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context)
            .pool_idle_timeout(IDLE);
        let most = match (way, &self.proxy) {
            (Way::Guarded(most), None) => most,
            (Way::Guarded(_), Some(proxy)) => {
                builder.set_proxy_config(Some(proxy.clone()));
                AddressClass::Forbidden
            }
            (Way::Direct, _) => AddressClass::Forbidden,
        };
        Ok(SharedHttpConnector::new(builder.build_with_resolver(Guard { most })))
    }
}

/// Without the proxy, whose URL can contain a password.
impl fmt::Debug for Connectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connectors").finish_non_exhaustive()
    }
}

/// Resolves names to addresses of a class up to `most`.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) most: AddressClass,
}

impl ResolveDns for Guard {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        let found = resolve(name, self.most);
        DnsFuture::new(async move { found.await.map_err(ResolveDnsError::new) })
    }
}

/// Checks that certificates can be used.
fn check(pem: &str) -> Result<(), InvalidCaBundle> {
    let invalid = |problem| InvalidCaBundle { problem };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| invalid("is not PEM"))?;
        roots.add(certificate).map_err(|_| invalid("has a certificate that cannot be used"))?;
    }
    if roots.is_empty() { Err(invalid("has no certificate")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> String {
        rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn certificates_are_checked_before_they_are_used() {
        let two = certificate() + &certificate();
        assert_eq!(check(&two), Ok(()));
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for bad in ["", "x", "-----BEGIN CERTIFICATE-----\n!", empty, &(certificate() + empty)] {
            assert!(check(bad).unwrap_err().to_string().starts_with("caBundle "), "{bad}");
        }
        assert!(Connectors::new(Some("x".to_owned()), None, None).is_err());
    }

    #[test]
    fn one_connector_is_kept_for_each_way_and_not_without_bound() {
        let connectors = Connectors::new(None, Some("http://user:hidden@proxy:8080"), None).unwrap();
        let count = || connectors.kept.lock().unwrap().len();
        let pem = certificate();
        for _ in 0..2 {
            connectors.get(None, Way::Direct).unwrap();
            connectors.get(Some(&pem), Way::Direct).unwrap();
            connectors.get(None, Way::Guarded(AddressClass::Public)).unwrap();
        }
        assert_eq!(count(), 3);
        for index in 0..CAPACITY {
            connectors.get(Some(&format!("{index}\n{pem}")), Way::Direct).unwrap();
        }
        assert!(count() < CAPACITY);
        assert!(!format!("{connectors:?}").contains("hidden"));
    }

    #[test]
    fn a_bad_proxy_is_an_error_that_does_not_show_it() {
        for bad in ["proxy:8080", "ftp://u:hidden@proxy", "", "http://u:hidden@ b"] {
            let error = Connectors::new(None, Some(bad), None).unwrap_err();
            assert_eq!(error, StsTermsError::Proxy, "{bad}");
        }
    }
}
