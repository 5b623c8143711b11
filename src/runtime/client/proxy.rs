//! The proxy for requests to servers outside of the cluster, and which requests go through it.

use aws_smithy_http_client::proxy::ProxyConfig;
use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use super::connectors::InvalidConnectorSettings;

/// The proxy. The administrator chose it, so it may have any address.
pub(super) struct Proxy {
    /// How a connector uses it.
    pub(super) config: ProxyConfig,
    pub(super) host: String,
    matcher: Matcher,
}

impl Proxy {
    /// The proxy at a URL, for https. The hosts in `no_proxy`, separated by commas, are reached without it.
    pub(super) fn parse(url: &str, no_proxy: &str) -> Result<Self, InvalidConnectorSettings> {
        let config = ProxyConfig::https(url).map_err(|_| InvalidConnectorSettings::Proxy)?;
        let parsed: Uri = url.parse().map_err(|_| InvalidConnectorSettings::Proxy)?;
        let host = parsed.host().ok_or(InvalidConnectorSettings::Proxy)?.to_owned();
        let matcher = Matcher::builder().https(url.to_owned()).no(no_proxy.to_owned()).build();
        Ok(Self { config: config.no_proxy(no_proxy), host, matcher })
    }

    /// Whether requests to a URL go through it.
    pub(super) fn serves(&self, url: &str) -> bool {
        url.parse().is_ok_and(|url: Uri| self.matcher.intercept(&url).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_goes_through_it_and_not_to_hosts_that_are_left_out() {
        let proxy = Proxy::parse("http://proxy:8080", "internal.example,10.0.0.0/8").unwrap();
        for (url, is_served) in [
            ("https://s3.example/b/k", true),
            ("https://proxy/b/k", true),
            ("http://s3.example/b/k", false),
            ("http://proxy:8080/b/k", false),
            ("https://internal.example:9000/b/k", false),
            ("https://a.internal.example/b/k", false),
            ("https://10.1.2.3/b/k", false),
            ("no URL", false),
        ] {
            assert_eq!(proxy.serves(url), is_served, "{url}");
        }
    }
}
