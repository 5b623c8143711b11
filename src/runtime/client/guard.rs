//! Addresses that a request to a server outside of the cluster must not reach, and a resolver that leaves
//! them out.
//!
//! Which server may be called at all is decided elsewhere.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};

use super::reach::Reach;

/// What an address reaches. Later classes reach more of what is internal.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum AddressClass {
    /// A server on the internet.
    Public,
    /// A server in a private network: RFC 1918, unique local, shared (CGNAT), or for tests and examples.
    Private,
    /// This machine.
    Loopback,
    /// Metadata services, link-local, multicast, unspecified and reserved addresses, and forms that hide
    /// another address.
    Forbidden,
}

/// Why a name has no address that may be used.
#[derive(Debug, thiserror::Error)]
pub enum ResolveFailure {
    /// The name has no address, or no name server answered.
    #[error("the name cannot be resolved")]
    Unresolved(#[source] io::Error),
    /// The name has internal addresses only.
    #[error("the name resolves only to internal addresses, which are refused")]
    Internal,
}

/// The resolver of a connector. It leaves out addresses that may not be reached.
#[derive(Clone, Debug)]
pub struct Guard {
    reach: Reach,
    /// The only name that is resolved; `None` for every name.
    only: Option<String>,
}

impl Guard {
    /// Resolves names to the addresses that may be reached.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self { reach, only: None }
    }

    /// Resolves the name of the proxy to all of its addresses, and no other name.
    pub(super) fn of_proxy(host: String) -> Self {
        Self { reach: Reach::anywhere(), only: Some(host) }
    }
}

impl ResolveDns for Guard {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        let is_other = self.only.as_ref().is_some_and(|only| !only.eq_ignore_ascii_case(name));
        DnsFuture::new(async move {
            if is_other {
                return Err(ResolveDnsError::new(ResolveFailure::Internal));
            }
            resolve(name, &self.reach).await.map_err(ResolveDnsError::new)
        })
    }
}

/// Resolves a name to the addresses that may be reached. Connect to no others.
pub async fn resolve(name: &str, reach: &Reach) -> Result<Vec<IpAddr>, ResolveFailure> {
    let found = tokio::net::lookup_host((name, 0)).await.map_err(ResolveFailure::Unresolved)?;
    permitted(found.map(|address| address.ip()), reach).ok_or(ResolveFailure::Internal)
}

/// The addresses that may be reached; `None` when there are none.
fn permitted(found: impl Iterator<Item = IpAddr>, reach: &Reach) -> Option<Vec<IpAddr>> {
    let permitted: Vec<_> = found.filter(|address| reach.has(*address)).collect();
    (!permitted.is_empty()).then_some(permitted)
}

/// Networks of IPv4 and the length of their prefix. The first that has an address counts, and the rest is
/// public.
const V4: [([u8; 4], u32, AddressClass); 17] = [
    // The metadata services of Azure and Alibaba Cloud. Most others are link-local.
    ([168, 63, 129, 16], 32, AddressClass::Forbidden),
    ([100, 100, 100, 200], 32, AddressClass::Forbidden),
    // This network, link-local, protocol assignments, 6to4 relays, multicast, reserved.
    ([0, 0, 0, 0], 8, AddressClass::Forbidden),
    ([169, 254, 0, 0], 16, AddressClass::Forbidden),
    ([192, 0, 0, 0], 24, AddressClass::Forbidden),
    ([192, 88, 99, 0], 24, AddressClass::Forbidden),
    ([224, 0, 0, 0], 4, AddressClass::Forbidden),
    ([240, 0, 0, 0], 4, AddressClass::Forbidden),
    ([127, 0, 0, 0], 8, AddressClass::Loopback),
    ([10, 0, 0, 0], 8, AddressClass::Private),
    ([172, 16, 0, 0], 12, AddressClass::Private),
    ([192, 168, 0, 0], 16, AddressClass::Private),
    ([100, 64, 0, 0], 10, AddressClass::Private),
    // Benchmarks and documentation.
    ([198, 18, 0, 0], 15, AddressClass::Private),
    ([192, 0, 2, 0], 24, AddressClass::Private),
    ([198, 51, 100, 0], 24, AddressClass::Private),
    ([203, 0, 113, 0], 24, AddressClass::Private),
];

/// The same of IPv6. The rest is forbidden; among it are the unspecified address, IPv4-compatible,
/// link-local, site-local and multicast addresses.
const V6: [([u16; 4], u32, AddressClass); 10] = [
    // The metadata services of AWS, Google Cloud, Oracle Cloud and Scaleway.
    ([0xfd00, 0xec2, 0, 0], 32, AddressClass::Forbidden),
    ([0xfd20, 0xce, 0, 0], 32, AddressClass::Forbidden),
    ([0xfd00, 0xc1, 0, 0], 32, AddressClass::Forbidden),
    ([0xfd00, 0x42, 0, 0], 64, AddressClass::Forbidden),
    ([0xfc00, 0, 0, 0], 7, AddressClass::Private),
    // Documentation.
    ([0x2001, 0xdb8, 0, 0], 32, AddressClass::Private),
    ([0x3fff, 0, 0, 0], 20, AddressClass::Private),
    // Teredo and other protocols.
    ([0x2001, 0, 0, 0], 23, AddressClass::Forbidden),
    // 6to4, which nobody uses any more: a relay inside a network would lead anywhere.
    ([0x2002, 0, 0, 0], 16, AddressClass::Forbidden),
    ([0x2000, 0, 0, 0], 3, AddressClass::Public),
];

/// What an address reaches.
#[must_use]
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    let is_in = |network: [u8; 4], length: u32| {
        (address.to_bits() ^ Ipv4Addr::from(network).to_bits()).leading_zeros() >= length
    };
    let found = V4.into_iter().find(|(network, length, _)| is_in(*network, *length));
    found.map_or(AddressClass::Public, |(_, _, class)| class)
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    let embedded = |high: u16, low: u16| classify_v4((u32::from(high) << 16 | u32::from(low)).into());
    // A form for the internet has no business with private addresses.
    let translated = |high, low, class| match embedded(high, low) {
        AddressClass::Public => class,
        _ => AddressClass::Forbidden,
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        // Mapped, and NAT64, which clusters without IPv4 need to reach the rest of the internet.
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => translated(high, low, AddressClass::Public),
        [0x64, 0xff9b, 1, _, _, _, high, low] => translated(high, low, AddressClass::Private),
        [a, b, c, d, ..] => {
            let bits = |[a, b, c, d]: [u16; 4]| Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_bits();
            let is_in = |network, length| (bits([a, b, c, d]) ^ bits(network)).leading_zeros() >= length;
            let found = V6.into_iter().find(|(network, length, _)| is_in(*network, *length));
            found.map_or(AddressClass::Forbidden, |(_, _, class)| class)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_internal_address_is_recognised() {
        use AddressClass::{Forbidden, Loopback, Private, Public};
        for (class, addresses) in [
            (
                Public,
                "1.1.1.1 52.94.0.1 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 192.0.1.1 169.253.0.1",
            ),
            (Public, "223.255.255.255 2606:4700::1111 2a05:d018::1 ::ffff:1.1.1.1 64:ff9b::1.1.1.1"),
            (Private, "10.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1 100.127.255.255 198.18.0.1"),
            (Private, "192.0.2.1 fc00::1 fd12:3456::1 2001:db8::1 ::ffff:10.0.0.1 64:ff9b:1::1.1.1.1"),
            (Loopback, "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1 ::ffff:7f00:1"),
            (
                Forbidden,
                "0.0.0.0 0.1.2.3 169.254.169.254 169.254.170.2 168.63.129.16 100.100.100.200 192.0.0.192",
            ),
            (Forbidden, "224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 192.88.99.1"),
            (
                Forbidden,
                ":: fe80::1 febf::1 fec0::1 ff02::1 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:42::42",
            ),
            (Forbidden, "::ffff:169.254.169.254 ::ffff:0.0.0.0 ::169.254.169.254 ::127.0.0.1 ::2 100::1"),
            (Forbidden, "64:ff9b::169.254.169.254 64:ff9b::10.0.0.1 64:ff9b::127.0.0.1 64:ff9b:1::a9fe:a9fe"),
            (
                Forbidden,
                "2002:101:101::1 2002:: 2002:a9fe:a9fe::1 2002:a00:1::1 2002:7f00:1::1 2001:0:a9fe:a9fe::1 64:ff9b:2::1 4000::1",
            ),
        ] {
            for address in addresses.split(' ') {
                assert_eq!(classify(address.parse().unwrap()), class, "{address}");
            }
        }
    }

    #[test]
    fn only_permitted_addresses_are_left() {
        let addresses = |text: &str| -> Vec<IpAddr> { text.split(' ').map(|a| a.parse().unwrap()).collect() };
        let left = |text, most| permitted(addresses(text).into_iter(), &Reach::up_to(most));
        let mixed = "169.254.169.254 1.1.1.1 127.0.0.1 10.0.0.1";
        assert_eq!(left(mixed, AddressClass::Public), Some(addresses("1.1.1.1")));
        assert_eq!(left(mixed, AddressClass::Private), Some(addresses("1.1.1.1 10.0.0.1")));
        assert_eq!(left(mixed, AddressClass::Loopback), Some(addresses("1.1.1.1 127.0.0.1 10.0.0.1")));
        assert_eq!(left(mixed, AddressClass::Forbidden), Some(addresses(mixed)));
        assert_eq!(left("10.0.0.1 fe80::1", AddressClass::Public), None);
    }
}
