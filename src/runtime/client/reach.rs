//! Which addresses a request may reach: a class of addresses, and ranges that are listed one by one.

use std::net::IpAddr;

use hyper::Uri;

use super::guard::{AddressClass, ResolveFailure, classify};

/// Which addresses a request may reach.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Reach {
    most: Option<AddressClass>,
    ranges: Vec<AddressRange>,
}

/// The addresses with a prefix, as a CIDR writes them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct AddressRange {
    /// An address of the range.
    pub address: IpAddr,
    /// How many of its first bits all addresses of the range have.
    pub prefix: u8,
}

impl Reach {
    /// The addresses of a class up to `most`.
    #[must_use]
    pub fn up_to(most: AddressClass) -> Self {
        Self { most: Some(most), ranges: Vec::new() }
    }

    /// Every address.
    #[must_use]
    pub fn anywhere() -> Self {
        Self::up_to(AddressClass::Forbidden)
    }

    /// The addresses in these ranges. A forbidden one is among them only if it is listed as a whole, so that
    /// no range includes a metadata service by accident.
    #[must_use]
    pub fn within(ranges: Vec<AddressRange>) -> Self {
        Self { most: None, ranges }
    }

    /// These addresses, and those of a class up to `most`.
    #[must_use]
    pub fn and_up_to(self, most: AddressClass) -> Self {
        Self { most: self.most.max(Some(most)), ..self }
    }

    /// Whether an address may be reached.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        let class = classify(address);
        let address = address.to_canonical();
        let is_in = |range: &AddressRange| {
            range.has(address) && (class < AddressClass::Forbidden || range.is_one_address())
        };
        self.most.is_some_and(|most| class <= most) || self.ranges.iter().any(is_in)
    }

    /// Refuses a URL with an address that may not be reached. Such an address is connected to without a
    /// look at the resolver.
    ///
    /// # Errors
    /// [`ResolveFailure::Internal`].
    pub fn check_url(&self, url: &str) -> Result<(), ResolveFailure> {
        match address(url) {
            Some(address) if !self.has(address) => Err(ResolveFailure::Internal),
            _ => Ok(()),
        }
    }
}

impl AddressRange {
    fn has(&self, address: IpAddr) -> bool {
        let prefix = u32::from(self.prefix);
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= prefix.min(32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= prefix.min(128)
            }
            _ => false,
        }
    }

    fn is_one_address(&self) -> bool {
        self.prefix >= if self.address.is_ipv4() { 32 } else { 128 }
    }
}

/// The address in a URL; `None` when the URL has a name.
fn address(url: &str) -> Option<IpAddr> {
    let url: Uri = url.parse().ok()?;
    url.host()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_address_in_a_url() {
        let found = |url| address(url).map(|address| address.to_string());
        assert_eq!(found("http://169.254.169.254/latest").as_deref(), Some("169.254.169.254"));
        assert_eq!(found("https://[fd00:ec2::254]:80/").as_deref(), Some("fd00:ec2::254"));
        assert_eq!(found("https://sts.amazonaws.com/"), None);
        assert_eq!(found("https://0x7f000001/"), None, "the resolver sees this one");
    }

    #[test]
    fn a_range_has_its_addresses_in_every_form_and_no_others() {
        let range = |text: &str| {
            let (address, prefix) = text.split_once('/').unwrap();
            AddressRange { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
        };
        for (ranges, inside, outside) in [
            ("10.1.0.0/16", "10.1.2.3 ::ffff:10.1.2.3", "10.2.0.1 1.1.1.1 ::1 fd00::1"),
            ("10.1.0.7/16", "10.1.255.255", "10.0.255.255"),
            ("fd12::/16", "fd12:3::4", "fd13::1 10.1.2.3"),
            ("0.0.0.0/0", "1.1.1.1 10.0.0.1 127.0.0.1", "169.254.169.254 168.63.129.16 0.0.0.0 ::1"),
            ("::/0", "2606:4700::1111 ::1 fd00::1", "fe80::1 fd00:ec2::254 169.254.169.254"),
            ("169.254.169.254/32", "169.254.169.254 ::ffff:169.254.169.254", "169.254.169.253"),
            ("10.0.0.1/32 127.0.0.0/8", "10.0.0.1 127.0.0.1", "10.0.0.2"),
        ] {
            let reach = Reach::within(ranges.split(' ').map(range).collect());
            for (is_inside, addresses) in [(true, inside), (false, outside)] {
                for address in addresses.split(' ') {
                    assert_eq!(reach.has(address.parse().unwrap()), is_inside, "{ranges} {address}");
                }
            }
        }
    }

    #[test]
    fn ranges_come_on_top_of_a_class() {
        let range = AddressRange { address: "10.0.0.0".parse().unwrap(), prefix: 24 };
        let reach = Reach::within(vec![range]).and_up_to(AddressClass::Public);
        for (address, is_inside) in [("1.1.1.1", true), ("10.0.0.9", true), ("10.0.1.9", false)] {
            assert_eq!(reach.has(address.parse().unwrap()), is_inside, "{address}");
        }
    }
}
