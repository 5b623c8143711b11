//! The address of a server: `https://HOST:PORT`.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use rustls::pki_types::ServerName;

/// The address of a server that is reached over https.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpsOrigin {
    host: String,
    port: u16,
    server_name: ServerName<'static>,
}

/// A text that is not the address of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("write https://HOST:PORT, without a path")]
pub struct InvalidOrigin;

impl HttpsOrigin {
    /// The host and the port to connect to.
    pub(super) fn target(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The name that the certificate of the server must have.
    pub(super) fn server_name(&self) -> ServerName<'static> {
        self.server_name.clone()
    }

    /// The value of the header `Host`.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for HttpsOrigin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let uri: Uri = text.parse().map_err(|_| InvalidOrigin)?;
        let has_more = !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains(['@', '#']);
        if uri.scheme_str() != Some("https") || has_more {
            return Err(InvalidOrigin);
        }
        let (authority, host) = uri.authority().zip(uri.host()).ok_or(InvalidOrigin)?;
        // What is no port would be taken for none.
        let port = match authority.as_str().strip_prefix(host).ok_or(InvalidOrigin)? {
            "" => 443,
            given => given.strip_prefix(':').and_then(|port| port.parse().ok()).ok_or(InvalidOrigin)?,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let server_name = ServerName::try_from(host.clone()).map_err(|_| InvalidOrigin)?;
        if port == 0 {
            return Err(InvalidOrigin);
        }
        Ok(Self { host, port, server_name })
    }
}

impl fmt::Display for HttpsOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_of_a_server_over_https_is_one() {
        for (text, shown) in [
            ("https://presign.presign-system.svc:8443", "https://presign.presign-system.svc:8443"),
            ("https://presign.example/", "https://presign.example:443"),
            ("https://127.0.0.1:1", "https://127.0.0.1:1"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(text.parse::<HttpsOrigin>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "presign.example:8443",
            "http://presign.example",
            "https://",
            "https://a b",
            "https://a/v1/sign",
            "https://a?b",
            "https://user:password@a",
            "https://a:0",
            "https://a:",
            "https://a:70000",
            "https://-",
        ] {
            assert_eq!(text.parse::<HttpsOrigin>(), Err(InvalidOrigin), "{text}");
        }
    }
}
