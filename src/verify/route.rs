//! The store that a URL is for, and how it is reached.

use hyper::Uri;
use sha2::{Digest as _, Sha256};

use crate::domain::limits::VerifyReach;

/// The store that a URL is for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct StorePlace {
    pub(super) is_https: bool,
    pub(super) host: String,
    pub(super) port: u16,
}

/// How a store is reached. Questions on the same route meet the same network, name server and server, so that
/// one that reaches nothing tells what the others would meet.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct StoreRoute {
    authority: String,
    is_https: bool,
    reach: Option<VerifyReach>,
    ca_bundle: Option<[u8; 32]>,
}

impl StorePlace {
    /// The store of a URL; `None` when it cannot be asked. The connector parses the URL in the same way.
    pub(super) fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let (is_https, default) = match uri.scheme_str()? {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return None,
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let port = authority.port_u16().unwrap_or(default);
        Some(Self { is_https, host: authority.host().to_ascii_lowercase(), port })
    }

    /// Host and port.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl StoreRoute {
    pub(super) fn new(place: &StorePlace, reach: Option<VerifyReach>, ca_bundle: Option<&str>) -> Self {
        Self {
            authority: place.authority(),
            is_https: place.is_https,
            reach,
            ca_bundle: ca_bundle.map(|pem| Sha256::digest(pem).into()),
        }
    }

    /// A route over the internet, for tests.
    #[cfg(test)]
    pub(crate) fn public(authority: &str, ca_bundle: Option<&str>) -> Self {
        let reach = VerifyReach { is_public: true, networks: Vec::new(), may_use_proxy: false };
        let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
        let place = StorePlace { is_https: true, host: host.to_owned(), port: port.parse().unwrap() };
        Self::new(&place, Some(reach), ca_bundle)
    }

    /// Host and port of the store.
    #[must_use]
    pub fn authority(&self) -> &String {
        &self.authority
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_the_same_however_its_url_is_written() {
        let of = |url| StorePlace::of(url).map(|place| (place.is_https, place.authority()));
        let s3 = || Some((true, "s3.example:443".to_owned()));
        assert_eq!(of("https://s3.example/b/k?a=b"), s3());
        assert_eq!(of("https://S3.example:443/b"), s3());
        assert_eq!(of("http://[::1]/"), Some((false, "[::1]:80".to_owned())));
        for url in ["https://u@s3.example/", "ftp://s3.example/", "s3.example", "/b/k", ""] {
            assert_eq!(of(url), None, "{url}");
        }
    }
}
