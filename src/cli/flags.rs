//! Parses flags that users often get wrong, with messages that help.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use crate::runtime::Tls;

/// Parses an address to listen on.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| match meant(text) {
        Some(address) => format!("write {address}"),
        None => "write an IP address and a port, as 0.0.0.0:8080, or [::]:8080 for IPv6".to_owned(),
    })
}

/// The address that the user probably meant by a text that is not an address.
fn meant(text: &str) -> Option<SocketAddr> {
    let everywhere = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    if let Ok(host) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some((host, 8080).into());
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let host = match host {
        "" | "*" => everywhere,
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        _ => return None,
    };
    Some((host, port.parse().ok()?).into())
}

/// The certificate of a port, if the flags name its two files.
pub(super) fn tls(certificate: Option<&Path>, key: Option<&Path>) -> anyhow::Result<Option<Arc<Tls>>> {
    let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(None) };
    Ok(Some(Arc::new(Tls::read(certificate, key)?)))
}

/// Parses whole seconds between two bounds.
pub(super) fn seconds<const LEAST: u64, const MOST: u64>(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(seconds) if (LEAST..=MOST).contains(&seconds) => Ok(seconds),
        Ok(_) => Err(format!("must be from {LEAST} to {MOST} seconds")),
        Err(_) => Err(match with_unit(text).filter(|seconds| (LEAST..=MOST).contains(seconds)) {
            Some(seconds) => format!("write the number of seconds alone: {seconds}"),
            None => format!("write a number of seconds, from {LEAST} to {MOST}"),
        }),
    }
}

fn with_unit(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_write() {
        for (text, said) in [
            ("8080", "write 0.0.0.0:8080"),
            (":8080", "write 0.0.0.0:8080"),
            ("*:80", "write 0.0.0.0:80"),
            ("localhost:80", "write 127.0.0.1:80"),
            ("10.0.0.1", "write 10.0.0.1:8080"),
            ("::", "write [::]:8080"),
            ("[::1]", "write [::1]:8080"),
            ("host:80", "write an IP address and a port, as 0.0.0.0:8080, or [::]:8080 for IPv6"),
            ("99999", "write an IP address and a port, as 0.0.0.0:8080, or [::]:8080 for IPv6"),
            ("", "write an IP address and a port, as 0.0.0.0:8080, or [::]:8080 for IPv6"),
        ] {
            assert_eq!(address(text).unwrap_err(), said, "{text}");
        }
        assert_eq!(address("[::]:80").unwrap().to_string(), "[::]:80");
        for (text, said) in [
            ("15s", "write the number of seconds alone: 15"),
            ("2m", "write the number of seconds alone: 120"),
            ("1h", "write a number of seconds, from 2 to 600"),
            ("ü", "write a number of seconds, from 2 to 600"),
            ("", "write a number of seconds, from 2 to 600"),
            ("-1", "write a number of seconds, from 2 to 600"),
            ("1", "must be from 2 to 600 seconds"),
        ] {
            assert_eq!(seconds::<2, 600>(text).unwrap_err(), said, "{text}");
        }
        assert_eq!(seconds::<2, 600>("2"), Ok(2));
    }
}
