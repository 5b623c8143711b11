//! A presigned URL, and what can be read out of one.

use jiff::Timestamp;
use jiff::civil::DateTime;
use url::Url;

use super::{Sensitive, Validity};

/// A presigned URL with the time during which it works.
#[derive(Clone, Debug)]
pub struct SignedUrl {
    /// The URL, which is a secret: whoever holds it may use it.
    pub url: Sensitive<String>,
    /// When it works.
    pub validity: Validity,
}

impl SignedUrl {
    /// The address of the object without any query: no secret.
    #[must_use]
    pub fn location(&self) -> &str {
        let url = self.url.expose();
        url.split_once('?').map_or(url.as_str(), |(location, _)| location)
    }
}

/// A presigned URL taken apart, so that a change of one part can be told from a change
/// of another.
#[derive(Clone, Debug)]
pub struct UrlParts {
    /// When the URL works.
    pub validity: Validity,
    /// Address and parameters, without those in the other parts; parameters ordered.
    pub address: String,
    /// Access key id and session token.
    pub identity: Sensitive<String>,
    /// The signature.
    pub signature: Sensitive<String>,
}

impl UrlParts {
    /// Takes a presigned URL apart; `None` when it is not one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        // The parser drops white space and splits off a fragment; no URL of ours has either.
        if text.contains(|c: char| c == '#' || c.is_whitespace() || c.is_control()) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let (mut date, mut lifetime, mut credential, mut token, mut signature) =
            (None, None, None, String::new(), None);
        let mut parameters = Vec::new();
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "X-Amz-Date" => date = signing_time(&value),
                "X-Amz-Expires" => lifetime = value.parse().ok().filter(|seconds| *seconds > 0),
                "X-Amz-Credential" => credential = Some(value.into_owned()),
                "X-Amz-Security-Token" => token = value.into_owned(),
                "X-Amz-Signature" => signature = Some(value.into_owned()),
                _ => parameters.push((name.into_owned(), value.into_owned())),
            }
        }
        parameters.sort();
        let credential = credential?;
        let (key_id, scope) = credential.split_once('/')?;
        let location = text.split_once('?')?.0;
        Some(Self {
            validity: Validity { signing_time: date?, lifetime: lifetime? },
            address: format!("{location} {scope} {parameters:?}"),
            identity: Sensitive::new(format!("{key_id} {token}")),
            signature: Sensitive::new(signature?),
        })
    }
}

/// `20300102T030405Z`, as the signature writes it.
fn signing_time(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://h/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ID%2F20300102%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20300102T030405Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Security-Token=T&X-Amz-Signature=abc";

    #[test]
    fn takes_a_url_apart() {
        let parts = UrlParts::read(URL).unwrap();
        assert_eq!(parts.validity.signing_time.to_string(), "2030-01-02T03:04:05Z");
        assert_eq!(parts.validity.lifetime, 60);
        assert_eq!(parts.identity.expose(), "ID T");
        assert_eq!(parts.signature.expose(), "abc");
        assert!(parts.address.starts_with("https://h/b/k 20300102/r/s3/aws4_request"));
        assert!(!parts.address.contains("ID"));
    }

    #[test]
    fn what_is_no_presigned_url_has_no_parts() {
        for text in ["", "hello", "https://h/b/k"] {
            assert!(UrlParts::read(text).is_none(), "{text}");
        }
        for (from, to) in [
            ("Signature", "S"),
            ("Credential", "C"),
            ("Date", "D"),
            ("=60", "=x"),
            ("=60", "=0"),
            ("T030405Z", ""),
            ("%2F", "-"),
            ("=abc", "=abc\n"),
            ("=abc", "=abc#top"),
            ("https", " https"),
            ("/k", "/k\t"),
        ] {
            let text = URL.replace(from, to);
            assert_ne!(text, URL);
            assert!(UrlParts::read(&text).is_none(), "{text}");
        }
    }
}
