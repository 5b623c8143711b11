//! Connections to servers outside of the cluster, with TLS, the trusted certificates and the proxy.
//!
//! A connector is kept for each set of certificates and each way to connect, because to build one costs
//! as much as a handshake, and because it keeps connections open for a while.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use sha2::{Digest as _, Sha256};

use super::guard::{AddressClass, Guard};
use super::proxy::Proxy;
use super::reach::Reach;
use super::trust::read_roots;

/// How many connectors are kept.
const CAPACITY: usize = 32;
/// How long a connection that is not used stays open.
const IDLE: Duration = Duration::from_secs(20);

/// How to connect to a server.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ConnectOptions {
    /// The addresses that may be connected to.
    pub reach: Reach,
    /// Whether the proxy is used for https, if there is one. It then resolves the name, to any address. So
    /// permit it only for names that the administrator wrote, or that nobody else can choose.
    pub may_use_proxy: bool,
}

/// All connectors in use.
pub struct Connectors {
    ca_bundle: Option<String>,
    proxy: Option<Proxy>,
    kept: Mutex<KeptConnectors>,
}

/// The connectors that are kept. The one that was used last is the last.
#[derive(Default)]
struct KeptConnectors(VecDeque<(ConnectorKey, SharedHttpConnector)>);

/// What tells connectors apart.
#[derive(Clone, Debug, Eq, PartialEq)]
struct ConnectorKey {
    /// The digest of the further certificates.
    ca_bundle: Option<[u8; 32]>,
    reach: Reach,
    is_through_proxy: bool,
}

/// Certificates that cannot be used. Says nothing of their content.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("caBundle {problem}: set it to CERTIFICATE blocks as PEM")]
pub struct InvalidCaBundle {
    problem: &'static str,
}

/// Why the settings for all connections cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidConnectorSettings {
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
    ) -> Result<Self, InvalidConnectorSettings> {
        ca_bundle.as_deref().map_or(Ok(()), check)?;
        let proxy = proxy.map(|url| Proxy::parse(url, no_proxy.unwrap_or_default())).transpose()?;
        Ok(Self { ca_bundle, proxy, kept: Mutex::default() })
    }

    /// With one connector for all servers that need no further certificates and are reached by their class.
    #[must_use]
    pub fn over(connector: &SharedHttpConnector) -> Self {
        let classes =
            [AddressClass::Public, AddressClass::Private, AddressClass::Loopback, AddressClass::Forbidden];
        let key = |most| ConnectorKey { ca_bundle: None, reach: Reach::up_to(most), is_through_proxy: false };
        let kept = classes.map(|most| (key(most), connector.clone()));
        Self { ca_bundle: None, proxy: None, kept: Mutex::new(KeptConnectors(VecDeque::from(kept))) }
    }

    /// The connector for a URL, for a set of further certificates (PEM) and a way to connect. Use it for URLs
    /// with this scheme, host and port only.
    ///
    /// # Errors
    /// When the certificates cannot be used.
    pub fn get(
        &self,
        ca_bundle: Option<&str>,
        way: &ConnectOptions,
        url: &str,
    ) -> Result<SharedHttpConnector, InvalidCaBundle> {
        let proxy = self.proxy.as_ref().filter(|proxy| way.may_use_proxy && proxy.serves(url));
        let key = ConnectorKey {
            ca_bundle: ca_bundle.map(|pem| Sha256::digest(pem).into()),
            reach: way.reach.clone(),
            is_through_proxy: proxy.is_some(),
        };
        let known = self.kept().find(&key);
        if let Some(connector) = known {
            return Ok(connector);
        }
        // Built without the lock, so that other calls do not wait for it.
        let connector = self.build(ca_bundle, &way.reach, proxy)?;
        Ok(self.kept().keep(key, connector))
    }

    fn kept(&self) -> MutexGuard<'_, KeptConnectors> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn build(
        &self,
        ca_bundle: Option<&str>,
        reach: &Reach,
        proxy: Option<&Proxy>,
    ) -> Result<SharedHttpConnector, InvalidCaBundle> {
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
        let guard = match proxy {
            None => Guard::new(reach.clone()),
            Some(proxy) => {
                builder.set_proxy_config(Some(proxy.config.clone()));
                Guard::of_proxy(proxy.host.clone())
            }
        };
        Ok(SharedHttpConnector::new(builder.build_with_resolver(guard)))
    }
}

impl KeptConnectors {
    fn find(&mut self, key: &ConnectorKey) -> Option<SharedHttpConnector> {
        let place = self.0.iter().position(|(known, _)| known == key)?;
        let found = self.0.remove(place)?;
        let connector = found.1.clone();
        self.0.push_back(found);
        Some(connector)
    }

    /// Keeps a connector, and drops the one that was used longest ago if there are too many. Returns the
    /// connector that is kept, which another call may have built meanwhile.
    fn keep(&mut self, key: ConnectorKey, connector: SharedHttpConnector) -> SharedHttpConnector {
        if let Some(known) = self.find(&key) {
            return known;
        }
        self.0.push_back((key, connector.clone()));
        if self.0.len() > CAPACITY {
            self.0.pop_front();
        }
        connector
    }
}

/// Without the proxy, whose URL can contain a password.
impl fmt::Debug for Connectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connectors").finish_non_exhaustive()
    }
}

fn check(pem: &str) -> Result<(), InvalidCaBundle> {
    read_roots(pem.as_bytes()).map(drop).map_err(|problem| InvalidCaBundle { problem })
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
        let Err(InvalidConnectorSettings::CaBundle(invalid)) =
            Connectors::new(Some("x".to_owned()), None, None)
        else {
            panic!("x is no certificate");
        };
        assert!(invalid.to_string().starts_with("caBundle has no certificate"), "{invalid}");
        assert!(Connectors::new(Some(certificate()), None, None).is_ok());
    }

    const URL: &str = "https://s3.example";

    #[test]
    fn one_connector_is_kept_for_each_way_and_not_without_bound() {
        let connectors = Connectors::new(None, Some("http://user:hidden@proxy:8080"), None).unwrap();
        let count = || connectors.kept().0.len();
        let pem = certificate();
        let direct = ConnectOptions { reach: Reach::anywhere(), may_use_proxy: false };
        let guarded = ConnectOptions { reach: Reach::up_to(AddressClass::Public), may_use_proxy: true };
        for _ in 0..2 {
            connectors.get(None, &direct, URL).unwrap();
            connectors.get(Some(&pem), &direct, URL).unwrap();
            connectors.get(None, &guarded, URL).unwrap();
            connectors.get(None, &guarded, "https://another.example").unwrap();
            connectors.get(None, &guarded, "http://s3.example").unwrap();
        }
        assert_eq!(count(), 4);
        for index in 0..2 * CAPACITY {
            connectors.get(Some(&format!("{index}\n{pem}")), &direct, URL).unwrap();
        }
        assert_eq!(count(), CAPACITY);
        assert!(!format!("{connectors:?}").contains("hidden"));
    }

    #[test]
    fn the_connector_that_was_used_longest_ago_goes_first() {
        let connectors = Connectors::new(None, None, None).unwrap();
        let pem = certificate();
        let way = ConnectOptions { reach: Reach::anywhere(), may_use_proxy: false };
        let keys = || connectors.kept().0.iter().map(|(key, _)| key.ca_bundle).collect::<Vec<_>>();
        for index in 0..2 * CAPACITY {
            connectors.get(None, &way, URL).unwrap();
            connectors.get(Some(&format!("{index}\n{pem}")), &way, URL).unwrap();
            assert!(keys().contains(&None), "one that is in use stays, after {index}");
        }
        let last: [u8; 32] = Sha256::digest(format!("{}\n{pem}", 2 * CAPACITY - 1)).into();
        assert_eq!(keys().last(), Some(&Some(last)));
    }

    #[test]
    fn a_bad_proxy_is_an_error_that_does_not_show_it() {
        for bad in ["proxy:8080", "ftp://u:hidden@proxy", "", "http://u:hidden@ b"] {
            let error = Connectors::new(None, Some(bad), None).unwrap_err();
            assert_eq!(error, InvalidConnectorSettings::Proxy, "{bad}");
        }
    }
}
