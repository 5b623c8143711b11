//! Connections to servers outside of the cluster, with TLS, the trusted certificates and the proxy.
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
use hyper::Uri;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

use super::AddressClass;
use super::guard::resolve;
use super::reach::Reach;

/// How many connectors are kept. When there are more, all are dropped and built again as needed.
const CAPACITY: usize = 32;
/// How long a connection that is not used stays open.
const IDLE: Duration = Duration::from_secs(20);

/// How to connect to a server.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Way {
    /// The addresses that may be connected to.
    pub reach: Reach,
    /// Whether the proxy is used for https, if there is one. It then resolves the name.
    pub uses_proxy: bool,
}

/// All connectors in use.
pub struct Connectors {
    ca_bundle: Option<String>,
    proxy: Option<Proxy>,
    kept: Mutex<HashMap<(Option<[u8; 32]>, Way), SharedHttpConnector>>,
}

/// The proxy, and its host, whose address the administrator has chosen.
struct Proxy {
    config: ProxyConfig,
    host: String,
}

/// Certificates that cannot be used. Says nothing of their content.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("caBundle {problem}: set it to CERTIFICATE blocks as PEM")]
pub struct InvalidCaBundle {
    problem: &'static str,
}

/// Why the settings for all connections cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidConnectorTerms {
    /// The certificates cannot be used.
    #[error(transparent)]
    CaBundle(#[from] InvalidCaBundle),
    /// The proxy cannot be used. Its URL is not shown, because it can contain a password.
    #[error("the proxy is not a URL: write http://HOST:PORT or https://HOST:PORT")]
    Proxy,
}

impl Connectors {
    /// No connectors yet. `ca_bundle` (PEM) and `proxy` (a URL) apply to all of them.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn new(
        ca_bundle: Option<String>,
        proxy: Option<&str>,
        no_proxy: Option<&str>,
    ) -> Result<Self, InvalidConnectorTerms> {
        ca_bundle.as_deref().map_or(Ok(()), check)?;
        let proxy = proxy.map(|url| Proxy::parse(url, no_proxy.unwrap_or_default())).transpose()?;
        Ok(Self { ca_bundle, proxy, kept: Mutex::default() })
    }

    /// With one connector for all servers that need no further certificates and are reached by their class.
    #[must_use]
    pub fn over(connector: &SharedHttpConnector) -> Self {
        let classes =
            [AddressClass::Public, AddressClass::Private, AddressClass::Loopback, AddressClass::Forbidden];
        let way = |most| Way { reach: Reach::up_to(most), uses_proxy: true };
        let kept = classes.map(|most| ((None, way(most)), connector.clone()));
        Self { ca_bundle: None, proxy: None, kept: Mutex::new(HashMap::from(kept)) }
    }

    /// The connector for a set of further certificates (PEM) and a way to connect.
    ///
    /// # Errors
    /// When the certificates cannot be used.
    pub fn get(&self, ca_bundle: Option<&str>, way: &Way) -> Result<SharedHttpConnector, InvalidCaBundle> {
        let key = (ca_bundle.map(|pem| Sha256::digest(pem).into()), way.clone());
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

    fn build(&self, ca_bundle: Option<&str>, way: &Way) -> Result<SharedHttpConnector, InvalidCaBundle> {
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
        let proxy = self.proxy.as_ref().filter(|_| way.uses_proxy);
        if let Some(proxy) = proxy {
            builder.set_proxy_config(Some(proxy.config.clone()));
        }
        let guard = Guard { reach: way.reach.clone(), proxy: proxy.map(|proxy| proxy.host.clone()) };
        Ok(SharedHttpConnector::new(builder.build_with_resolver(guard)))
    }
}

impl Proxy {
    fn parse(url: &str, no_proxy: &str) -> Result<Self, InvalidConnectorTerms> {
        let config = ProxyConfig::https(url).map_err(|_| InvalidConnectorTerms::Proxy)?;
        let parsed: Uri = url.parse().map_err(|_| InvalidConnectorTerms::Proxy)?;
        let host = parsed.host().ok_or(InvalidConnectorTerms::Proxy)?.to_owned();
        Ok(Self { config: config.no_proxy(no_proxy), host })
    }
}

/// Without the proxy, whose URL can contain a password.
impl fmt::Debug for Connectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connectors").finish_non_exhaustive()
    }
}

/// Resolves names to the addresses that may be reached, and that of the proxy to all of its addresses.
#[derive(Clone, Debug)]
pub struct Guard {
    reach: Reach,
    proxy: Option<String>,
}

impl Guard {
    /// Resolves names to the addresses that may be reached.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self { reach, proxy: None }
    }
}

impl ResolveDns for Guard {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        let is_proxy = self.proxy.as_ref().is_some_and(|proxy| proxy.eq_ignore_ascii_case(name));
        DnsFuture::new(async move {
            let anywhere = Reach::anywhere();
            let reach = if is_proxy { &anywhere } else { &self.reach };
            resolve(name, reach).await.map_err(ResolveDnsError::new)
        })
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
    use crate::runtime::client::AddressClass;

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
        let direct = Way { reach: Reach::anywhere(), uses_proxy: false };
        let guarded = Way { reach: Reach::up_to(AddressClass::Public), uses_proxy: true };
        for _ in 0..2 {
            connectors.get(None, &direct).unwrap();
            connectors.get(Some(&pem), &direct).unwrap();
            connectors.get(None, &guarded).unwrap();
        }
        assert_eq!(count(), 3);
        for index in 0..CAPACITY {
            connectors.get(Some(&format!("{index}\n{pem}")), &direct).unwrap();
        }
        assert!(count() < CAPACITY);
        assert!(!format!("{connectors:?}").contains("hidden"));
    }

    #[test]
    fn a_bad_proxy_is_an_error_that_does_not_show_it() {
        for bad in ["proxy:8080", "ftp://u:hidden@proxy", "", "http://u:hidden@ b"] {
            let error = Connectors::new(None, Some(bad), None).unwrap_err();
            assert_eq!(error, InvalidConnectorTerms::Proxy, "{bad}");
        }
    }
}
