//! Which STS the operator may call, and which addresses the name of that STS may resolve to.

use super::patterns::{HostPattern, InvalidPattern};
use crate::domain::request::{Endpoint, Scheme};

/// Domains below which AWS has the endpoints of its STS, with IPv4 alone and with both protocols.
const AWS_DOMAINS: [&str; 14] = [
    "amazonaws.com",
    "api.aws",
    "amazonaws.com.cn",
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "api.aws.ic.gov",
    "sc2s.sgov.gov",
    "api.aws.scloud",
    "csp.hci.ic.gov",
    "api.aws.hci.ic.gov",
    "cloud.adc-e.uk",
    "api.cloud-aws.adc-e.uk",
];

/// Which addresses a host may have. Each rule includes those before it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum AddressRule {
    /// Addresses of the internet.
    Public,
    /// Addresses of private networks.
    Private,
    /// Addresses of this machine.
    Loopback,
    /// Every address. The administrator has listed the address itself.
    Any,
}

/// The STS endpoints that the operator may call. The administrator of the operator lists them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StsEndpoints(Vec<StsEntry>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct StsEntry {
    hosts: StsHosts,
    /// Whether the host may be called without TLS too.
    plain: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum StsHosts {
    Aws,
    Matching(HostPattern),
}

/// Why an STS may not be called.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StsNotPermitted {
    /// The host is not in the list.
    #[error(
        "requests to the STS at {host:?} are not permitted: choose another STS, or ask the administrator of the operator to permit it (--sts-endpoints)"
    )]
    Host {
        /// The host.
        host: String,
    },
    /// The host is in the list, but only with TLS.
    #[error(
        "requests to the STS at {host:?} without TLS are not permitted: use https, or ask the administrator of the operator to permit http://{host} (--sts-endpoints)"
    )]
    Plain {
        /// The host.
        host: String,
    },
}

impl StsNotPermitted {
    /// The host that may not be called.
    #[must_use]
    pub fn host(&self) -> &str {
        let (Self::Host { host } | Self::Plain { host }) = self;
        host
    }
}

impl StsEndpoints {
    /// Parses a list. Each entry is `aws` (the STS of AWS in every region), a host, `*.DOMAIN`, or `*`.
    /// `http://` before a host permits requests without TLS too.
    ///
    /// # Errors
    /// Names the first entry that no endpoint can match.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidPattern> {
        entries.into_iter().map(StsEntry::parse).collect::<Result<_, _>>().map(Self)
    }

    /// The rule for the addresses of an endpoint. If several entries match, that of the widest.
    ///
    /// # Errors
    /// When no entry permits the endpoint.
    pub fn permits(&self, endpoint: &Endpoint) -> Result<AddressRule, StsNotPermitted> {
        let matching = || self.0.iter().filter_map(|entry| Some((entry, entry.hosts.rule(endpoint)?)));
        let is_plain = endpoint.scheme == Scheme::Http;
        let permitted = matching().filter(|(entry, _)| entry.plain || !is_plain).map(|(_, rule)| rule).max();
        let host = || endpoint.host.clone();
        permitted.ok_or_else(|| match matching().next() {
            Some(_) => StsNotPermitted::Plain { host: host() },
            None => StsNotPermitted::Host { host: host() },
        })
    }
}

impl StsEndpoints {
    /// Requires that the STS of AWS in a region may be called.
    ///
    /// # Errors
    /// When no entry permits it.
    pub fn permits_aws(&self, region: &str) -> Result<(), StsNotPermitted> {
        let at = |host: String| Endpoint { scheme: Scheme::Https, host, port: None, path: String::new() };
        let usual = self.permits(&at(format!("sts.{region}.amazonaws.com"))).map(drop);
        // Which of its hosts is called depends on the partition, and the call is checked again.
        let mut hosts = ["sts", "sts-fips"].into_iter().flat_map(|service| {
            AWS_DOMAINS.into_iter().map(move |domain| format!("{service}.{region}.{domain}"))
        });
        usual.or_else(|refusal| {
            let is_any = hosts.any(|host| self.permits(&at(host)).is_ok());
            if is_any { Ok(()) } else { Err(refusal) }
        })
    }
}

impl StsEntry {
    fn parse(entry: &str) -> Result<Self, InvalidPattern> {
        let (plain, name) = entry.strip_prefix("http://").map_or((false, entry), |name| (true, name));
        let hosts = match name {
            "aws" if plain => {
                return Err(InvalidPattern::new(entry, "cannot be called without TLS: write aws"));
            }
            "aws" => StsHosts::Aws,
            _ => StsHosts::Matching(HostPattern::parse(name)?),
        };
        Ok(Self { hosts, plain })
    }
}

impl StsHosts {
    /// The rule for the addresses of an endpoint; `None` when it does not match.
    fn rule(&self, endpoint: &Endpoint) -> Option<AddressRule> {
        match self {
            Self::Aws => is_aws(endpoint).then_some(AddressRule::Private),
            Self::Matching(pattern) if !pattern.matches(&endpoint.host) => None,
            Self::Matching(HostPattern::One(_)) if endpoint.is_address() => Some(AddressRule::Any),
            Self::Matching(HostPattern::One(_)) => Some(AddressRule::Loopback),
            Self::Matching(HostPattern::All | HostPattern::Below(_)) => Some(AddressRule::Public),
        }
    }
}

/// Whether this is the STS of AWS. A private endpoint (`AWS PrivateLink`) has the same name, with private
/// addresses.
fn is_aws(endpoint: &Endpoint) -> bool {
    let is_usual = endpoint.scheme == Scheme::Https && endpoint.port.is_none() && endpoint.path.is_empty();
    let name = ["sts.", "sts-fips."].into_iter().find_map(|first| endpoint.host.strip_prefix(first));
    let is_sts = |name: &str| {
        name == "amazonaws.com"
            || name
                .split_once('.')
                .is_some_and(|(region, domain)| is_region(region) && AWS_DOMAINS.contains(&domain))
    };
    is_usual && name.is_some_and(is_sts)
}

/// Whether this is the name of a region, such as `us-gov-west-1`. Its first word has no digit: buckets
/// have hosts such as `sts.s3-us-west-2.amazonaws.com`.
fn is_region(name: &str) -> bool {
    let words: Vec<_> = name.split('-').collect();
    let [words @ .., number] = &words[..] else { return false };
    let is_word = |word: &&str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_lowercase());
    words.len() > 1
        && words.iter().all(is_word)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(list: &str, endpoint: &str) -> Result<AddressRule, StsNotPermitted> {
        let endpoints = StsEndpoints::parse(list.split(',')).unwrap();
        endpoints.permits(&Endpoint::parse(endpoint).unwrap())
    }

    #[test]
    fn the_rule_follows_from_the_widest_entry() {
        for (list, endpoint, rule) in [
            ("aws", "https://sts.eu-central-1.amazonaws.com", AddressRule::Private),
            ("aws,*", "https://sts.eu-central-1.amazonaws.com", AddressRule::Private),
            ("*", "https://sts.eu-central-1.amazonaws.com", AddressRule::Public),
            ("*,minio.example", "https://minio.example:9000", AddressRule::Loopback),
            ("*.example", "https://minio.example/sts", AddressRule::Public),
            ("http://*.example", "http://minio.example", AddressRule::Public),
            ("http://minio.svc", "https://minio.svc", AddressRule::Loopback),
            ("http://127.0.0.1", "http://127.0.0.1:9000", AddressRule::Any),
            ("[fd00:ec2::254]", "https://[fd00:ec2:0::254]", AddressRule::Any),
            ("*", "https://10.0.0.1", AddressRule::Public),
            ("*,http://a.example", "http://a.example", AddressRule::Loopback),
        ] {
            assert_eq!(permits(list, endpoint), Ok(rule), "{list} {endpoint}");
        }
    }

    #[test]
    fn what_is_not_listed_is_refused() {
        let host = |host: &str| StsNotPermitted::Host { host: host.to_owned() };
        let plain = |host: &str| StsNotPermitted::Plain { host: host.to_owned() };
        for (list, endpoint, error) in [
            ("aws", "https://minio.example", host("minio.example")),
            ("aws", "http://sts.us-east-1.amazonaws.com", host("sts.us-east-1.amazonaws.com")),
            ("*", "http://minio.example", plain("minio.example")),
            ("minio.example,*.other", "http://minio.example", plain("minio.example")),
            ("*.example", "https://example", host("example")),
            ("http://*.example,a.test", "http://a.test", plain("a.test")),
        ] {
            assert_eq!(permits(list, endpoint), Err(error), "{list} {endpoint}");
        }
        assert!(StsEndpoints::default().permits(&Endpoint::parse("https://a").unwrap()).is_err());
    }

    #[test]
    fn aws_is_what_only_aws_can_name() {
        for host in [
            "sts.amazonaws.com",
            "sts.us-east-1.amazonaws.com",
            "sts-fips.us-west-2.amazonaws.com",
            "sts.us-gov-west-1.amazonaws.com",
            "sts.cn-north-1.amazonaws.com.cn",
            "sts.eu-west-1.api.aws",
            "sts-fips.us-east-1.api.aws",
            "sts.eusc-de-east-1.amazonaws.eu",
            "sts.us-iso-east-1.c2s.ic.gov",
            "sts.us-isob-east-1.sc2s.sgov.gov",
        ] {
            assert!(permits("aws", &format!("https://{host}")).is_ok(), "{host}");
        }
        for host in [
            "sts.s3.amazonaws.com",
            "sts.s3-us-west-2.amazonaws.com",
            "sts.s3-website-us-west-2.amazonaws.com",
            "sts.us-east-1.s3.amazonaws.com",
            "sts.us-east-1.elb.amazonaws.com",
            "sts.us-east-1.amazonaws.com.example",
            "sts.east-1.amazonaws.com",
            "sts.u-east-1.amazonaws.com",
            "sts.us-east-100.amazonaws.com",
            "sts.evil.example",
            "a.sts.us-east-1.amazonaws.com",
            "sts.us-east-1.amazonaws.com:8443",
            "sts.us-east-1.amazonaws.com/path",
            "stsus-east-1.amazonaws.com",
            "amazonaws.com",
        ] {
            assert!(permits("aws", &format!("https://{host}")).is_err(), "{host}");
        }
    }

    #[test]
    fn the_sts_of_a_region_needs_an_entry() {
        let permits = |list: &str, region| StsEndpoints::parse(list.split(',')).unwrap().permits_aws(region);
        for (list, region) in [
            ("aws", "eu-central-1"),
            ("*.amazonaws.com", "eu-central-1"),
            ("sts-fips.us-east-1.amazonaws.com", "us-east-1"),
            ("sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ] {
            assert_eq!(permits(list, region), Ok(()), "{list} {region}");
        }
        for list in ["minio.example", "sts.us-east-1.amazonaws.com", "sts.eu-central-1.amazonaws.com.evil"] {
            let host = "sts.eu-central-1.amazonaws.com".to_owned();
            assert_eq!(
                permits(list, "eu-central-1"),
                Err(StsNotPermitted::Host { host: host.clone() }),
                "{list}"
            );
            assert_eq!(permits(list, "eu-central-1").unwrap_err().host(), host);
        }
    }

    #[test]
    fn an_entry_that_matches_nothing_is_an_error() {
        for entry in ["", "http://", "https://a", "a:80", "a/b", "http://aws", "*.", "a*", "*.10.0.0.1"] {
            assert!(StsEndpoints::parse([entry]).is_err(), "{entry}");
        }
    }
}
