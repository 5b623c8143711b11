//! The proxy through which the API server is reached: `proxy-url` of the kubeconfig, or else that of the
//! environment, as kubectl chooses it.

use std::net::IpAddr;

use hyper::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// A proxy of a kind that is not known. Its URL is not shown, because it can contain a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum WrongProxy {
    #[error("{place} is not a URL: write http://HOST:PORT or socks5://HOST:PORT")]
    NoUrl { place: &'static str },
    #[error("{place} begins with {scheme}://, which is not supported: use a proxy with http:// or socks5://")]
    Scheme { place: &'static str, scheme: String },
    #[error("{place} has a user name in it, which is not supported: use a proxy that asks for none")]
    User { place: &'static str },
}

/// The variables of the environment that name proxies.
#[derive(Clone, Debug, Default)]
pub(super) struct ProxyVariables {
    pub(super) http: String,
    pub(super) https: String,
    pub(super) no: String,
}

impl ProxyVariables {
    /// Reads the environment. The names in upper case come first, as in Go.
    #[expect(clippy::disallowed_methods, reason = "the plugin is a command line")]
    pub(super) fn read() -> Self {
        let first = |names: [&str; 2]| {
            let values = names.into_iter().filter_map(|name| std::env::var(name).ok());
            values.into_iter().find(|value| !value.is_empty()).unwrap_or_default()
        };
        Self {
            http: first(["HTTP_PROXY", "http_proxy"]),
            https: first(["HTTPS_PROXY", "https_proxy"]),
            no: first(["NO_PROXY", "no_proxy"]),
        }
    }

    /// The proxy for a server; `None` for those that are reached directly, which a loopback address always is.
    fn proxy_for(&self, server: &Uri) -> Option<Intercept> {
        let host = server.host()?.trim_matches(['[', ']']);
        let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let matcher =
            Matcher::builder().http(self.http.clone()).https(self.https.clone()).no(self.no.clone()).build();
        matcher.intercept(server).filter(|_| !is_loopback)
    }
}

/// The proxy for the API server `server`.
///
/// # Errors
/// When the proxy is of a kind that is not known.
pub(super) fn choose(
    of_cluster: Option<&str>,
    variables: &ProxyVariables,
    server: &Uri,
) -> Result<Option<Uri>, WrongProxy> {
    let (place, proxy, has_user) = if let Some(url) = of_cluster {
        let place = "proxy-url of the kubeconfig";
        let url = url.parse::<Uri>().map_err(|_| WrongProxy::NoUrl { place })?;
        let has_user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
        (place, url, has_user)
    } else {
        let Some(found) = variables.proxy_for(server) else { return Ok(None) };
        let has_user = found.basic_auth().is_some() || found.raw_auth().is_some();
        ("the proxy of the environment (HTTPS_PROXY)", found.uri().clone(), has_user)
    };
    match proxy.scheme_str() {
        Some("http" | "socks5") if has_user => Err(WrongProxy::User { place }),
        Some("http" | "socks5") => Ok(Some(proxy)),
        Some(scheme) => Err(WrongProxy::Scheme { place, scheme: scheme.to_owned() }),
        None => Err(WrongProxy::NoUrl { place }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(of_cluster: Option<&str>, https: &str, no: &str, server: &str) -> Result<String, String> {
        let variables =
            ProxyVariables { https: https.to_owned(), no: no.to_owned(), ..ProxyVariables::default() };
        let proxy = choose(of_cluster, &variables, &server.parse().unwrap());
        let proxy = proxy.map_err(|error| error.to_string())?;
        Ok(proxy.map_or_else(|| "none".to_owned(), |proxy| proxy.to_string()))
    }

    #[test]
    fn the_kubeconfig_comes_before_the_environment_and_the_environment_has_exceptions() {
        let server = "https://api.example:6443";
        for (of_cluster, https, no, server, expected) in [
            (None, "", "", server, "none"),
            (Some("socks5://localhost:1080"), "http://p:1", "*", server, "socks5://localhost:1080/"),
            (Some("http://q:2"), "", "", "https://127.0.0.1:6443", "http://q:2/"),
            (None, "http://p:1", "", server, "http://p:1/"),
            (None, "p.example:1", "", server, "http://p.example:1/"),
            (None, "http://p:1", "api.example", server, "none"),
            (None, "http://p:1", ".example", server, "none"),
            (None, "http://p:1", "*", server, "none"),
            (None, "http://p:1", "10.0.0.0/8", "https://10.1.2.3", "none"),
            (None, "http://p:1", "other.example", server, "http://p:1/"),
            (None, "http://p:1", "", "https://127.0.0.1:6443", "none"),
            (None, "http://p:1", "", "https://localhost:6443", "none"),
            (None, "http://p:1", "", "https://[::1]:6443", "none"),
            (None, "http://p:1", "", "http://api.example", "none"),
        ] {
            let found = chosen(of_cluster, https, no, server);
            assert_eq!(found.as_deref(), Ok(expected), "{of_cluster:?} {https} {no} {server}");
        }
    }

    #[test]
    fn another_kind_of_proxy_is_reported_without_its_password() {
        for (of_cluster, https, expected) in [
            (Some("https://me:hidden@p:1"), "", "proxy-url of the kubeconfig begins with https://"),
            (Some("p:1"), "", "proxy-url of the kubeconfig is not a URL"),
            (Some("a b"), "", "proxy-url of the kubeconfig is not a URL"),
            (Some("http://me:hidden@p:1"), "", "proxy-url of the kubeconfig has a user name in it"),
            (None, "https://me:hidden@p:1", "(HTTPS_PROXY) begins with https://"),
            (None, "me:hidden@p:1", "(HTTPS_PROXY) has a user name in it"),
            (None, "socks5://me:hidden@p:1", "(HTTPS_PROXY) has a user name in it"),
        ] {
            let error = chosen(of_cluster, https, "", "https://api.example").unwrap_err();
            assert!(error.contains(expected) && !error.contains("hidden"), "{error}");
        }
    }
}
