//! Which stores the operator may ask about URLs, and which addresses their names may have.

use std::net::IpAddr;

use super::patterns::HostPattern;

/// The stores that the operator may ask, beside those of `ClusterSigner`s.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct VerifyEndpoints(Vec<VerifyEntry>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct VerifyEntry {
    host: HostPattern,
    port: u16,
    /// The addresses that the host may have; `None` for those of the internet.
    network: Option<Network>,
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network {
    /// An address of the range.
    pub address: IpAddr,
    /// How many of its first bits all addresses of the range have.
    pub prefix: u8,
}

/// Which addresses a store may have.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct VerifyReach {
    /// Those of the internet.
    pub is_public: bool,
    /// Those in these ranges.
    pub networks: Vec<Network>,
    /// Whether a proxy may resolve the name of the store: the administrator wrote this very name. A pattern
    /// also matches names that others chose, whose addresses only we would judge.
    pub may_use_proxy: bool,
}

/// An entry that no store can match.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidVerifyEntry {
    /// The host or the port.
    #[error(
        "{entry:?} is not a host with a port: write HOST:PORT, *.DOMAIN:PORT or *:PORT, and =CIDR for internal addresses"
    )]
    Host {
        /// The entry.
        entry: String,
    },
    /// The range.
    #[error("{entry:?} has no valid range of addresses after '=': write one such as 10.0.0.0/16")]
    Network {
        /// The entry.
        entry: String,
    },
}

impl VerifyEndpoints {
    /// Parses a list. Each entry is a host, `*.DOMAIN` or `*`, with a port, and optionally with the
    /// addresses that it may have: `minio.store.svc:9000=10.96.0.0/12`.
    ///
    /// # Errors
    /// Names the first entry that no store can match.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidVerifyEntry> {
        entries.into_iter().map(VerifyEntry::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Which addresses a store may have; `None` when it may not be asked. The entries that match count
    /// together. `is_of_platform` says whether a `ClusterSigner` names the store, which is then asked at
    /// addresses of the internet without an entry.
    #[must_use]
    pub fn permits(&self, host: &str, port: u16, is_of_platform: bool) -> Option<VerifyReach> {
        let host = host.to_ascii_lowercase();
        let matching = self.0.iter().filter(|entry| entry.port == port && entry.host.matches(&host));
        let listed: Vec<_> = matching.collect();
        let networks: Vec<_> = listed.iter().filter_map(|entry| entry.network).collect();
        let is_named = listed.iter().any(|entry| matches!(entry.host, HostPattern::One(_)));
        let may_use_proxy = is_named && networks.is_empty();
        let is_public =
            listed.iter().any(|entry| entry.network.is_none()) || listed.is_empty() && is_of_platform;
        (is_public || !networks.is_empty()).then_some(VerifyReach { is_public, networks, may_use_proxy })
    }
}

impl VerifyEntry {
    fn parse(entry: &str) -> Result<Self, InvalidVerifyEntry> {
        let no_host = || InvalidVerifyEntry::Host { entry: entry.to_owned() };
        let no_network = || InvalidVerifyEntry::Network { entry: entry.to_owned() };
        let (place, network) = match entry.split_once('=') {
            Some((place, network)) => (place, Some(Network::parse(network).ok_or_else(no_network)?)),
            None => (entry, None),
        };
        let (host, port) = place.rsplit_once(':').ok_or_else(no_host)?;
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| is_number && *port > 0).ok_or_else(no_host)?;
        let host = HostPattern::parse(host).map_err(|_| no_host())?;
        // The administrator has listed the address itself.
        let itself = match &host {
            HostPattern::One(host) => Network::of_host(host),
            HostPattern::All | HostPattern::Below(_) => None,
        };
        Ok(Self { host, port, network: network.or(itself) })
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let is_number = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|prefix| is_number && *prefix <= longest(address))?;
        // Addresses are compared after this form has been removed from them.
        let is_mapped = matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
        (!is_mapped).then_some(Self { address, prefix })
    }

    /// The one address that a host is; `None` if it is a name.
    fn of_host(host: &str) -> Option<Self> {
        let address: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        Some(Self { address, prefix: longest(address) })
    }
}

fn longest(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(list: &[&str], host: &str, port: u16, is_of_platform: bool) -> Option<String> {
        let endpoints = VerifyEndpoints::parse(list.iter().copied()).unwrap();
        let VerifyReach { is_public, networks, may_use_proxy } =
            endpoints.permits(host, port, is_of_platform)?;
        let networks = networks.iter().map(|network| format!("{}/{}", network.address, network.prefix));
        let words = [is_public.then(|| "public".to_owned()), may_use_proxy.then(|| "proxy".to_owned())];
        Some(words.into_iter().flatten().chain(networks).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn an_entry_permits_a_store_and_says_which_addresses_it_may_have() {
        for (list, host, port, is_of_platform, expected) in [
            (&[][..], "s3.example", 443, false, None),
            (&[], "s3.example", 443, true, Some("public")),
            (&["s3.example:443"], "s3.example", 443, false, Some("public proxy")),
            (&["s3.example:443"], "s3.example", 443, true, Some("public proxy")),
            (&["s3.example:443"], "S3.Example", 443, false, Some("public proxy")),
            (&["s3.example:443"], "s3.example", 8443, false, None),
            (&["s3.example:443"], "bucket.s3.example", 443, false, None),
            (&["*.s3.example:443"], "bucket.s3.example", 443, false, Some("public")),
            (&["*:443"], "any", 443, false, Some("public")),
            (&["*:443", "s3.example:443"], "s3.example", 443, false, Some("public proxy")),
            (
                &["s3.example:443", "s3.example:443=10.0.0.0/8"],
                "s3.example",
                443,
                false,
                Some("public 10.0.0.0/8"),
            ),
            (&["minio.svc:9000=10.0.0.0/8"], "minio.svc", 9000, false, Some("10.0.0.0/8")),
            (&["minio.svc:9000=10.0.0.0/8"], "minio.svc", 9000, true, Some("10.0.0.0/8")),
            (&["minio.svc:9000=10.0.0.0/8"], "minio.svc", 80, true, Some("public")),
            (&["a:1=10.0.0.0/8", "a:1=fd00::/8"], "a", 1, false, Some("10.0.0.0/8 fd00::/8")),
            (&["a:1=10.0.0.0/8", "*:1"], "a", 1, false, Some("public 10.0.0.0/8")),
            (&["127.0.0.1:9000"], "127.0.0.1", 9000, false, Some("127.0.0.1/32")),
            (&["[::1]:9000"], "[::1]", 9000, false, Some("::1/128")),
        ] {
            let found = permits(list, host, port, is_of_platform);
            assert_eq!(found.as_deref(), expected, "{list:?} {host} {port} {is_of_platform}");
        }
    }

    #[test]
    fn an_entry_that_matches_nothing_is_an_error() {
        for entry in [
            "",
            "a",
            "a:",
            "a:0",
            "a:65536",
            "a:x",
            "a:+1",
            ":1",
            "https://a:1",
            "a/b:1",
            "a:1=",
            "a:1=10.0.0.0",
            "a:1=10.0.0.0/33",
            "a:1=x/8",
            "a:1=10.0.0.0/+8",
            "a:1=::ffff:10.0.0.0/104",
            "::1:9000",
        ] {
            assert!(VerifyEndpoints::parse([entry]).is_err(), "{entry}");
        }
    }
}
