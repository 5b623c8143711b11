//! A presigned URL, and the parts that a stored one is parsed into.

use jiff::Timestamp;
use jiff::civil::DateTime;
use url::Url;

use super::request::MAX_LIFETIME;
use super::{Sensitive, SignedForm, Validity};

/// A presigned URL, or a signed form, with the time during which it works.
#[derive(Clone, Debug)]
pub struct SignedUrl {
    /// The URL. It is secret, because it works for every client that has it. Of a form, it is the address
    /// alone.
    pub url: Sensitive<String>,
    /// The fields of a form; `None` for any other URL.
    pub form: Option<SignedForm>,
    /// When the URL works.
    pub validity: Validity,
}

impl SignedUrl {
    /// The address of the object without the query, or that of a form. It is not secret.
    #[must_use]
    pub fn location(&self) -> &str {
        let url = self.url.expose();
        url.split_once('?').map_or(url.as_str(), |(location, _)| location)
    }
}

/// The parts of a presigned URL, so that a change of one part is distinguished from a change of another.
#[derive(Clone, Debug)]
pub struct UrlParts {
    /// When the URL works.
    pub validity: Validity,
    /// The address and the parameters that are in no other part. The parameters are sorted.
    pub address: String,
    /// The whole text, without key id, session token and signature.
    pub text: String,
    /// Access key id and session token.
    pub identity: Sensitive<String>,
    /// The signature.
    pub signature: Sensitive<String>,
}

impl UrlParts {
    /// Parses a presigned URL; `None` when it is not one, or not one that we could have signed. We sign
    /// none before 1970, none for longer than a week, and none that has a parameter twice.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        // The parser drops white space and splits off a fragment. Our URLs have neither.
        if text.contains(|c: char| c == '#' || c.is_whitespace() || c.is_control()) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let mut taken: [Option<String>; 5] = Default::default();
        let mut parameters = Vec::new();
        for (name, value) in url.query_pairs() {
            match SIGNED.iter().position(|known| *known == name) {
                Some(place) if taken[place].is_some() => return None,
                Some(place) => taken[place] = Some(value.into_owned()),
                None => parameters.push((name.into_owned(), value.into_owned())),
            }
        }
        parameters.sort();
        let [date, lifetime, credential, token, signature] = taken;
        let credential = credential?;
        let (key_id, scope) = split_credential(&credential, "/")?;
        let location = text.split_once('?')?.0;
        let lifetime = lifetime?.parse().ok().filter(|seconds| (1..=MAX_LIFETIME).contains(seconds))?;
        Some(Self {
            validity: Validity { signing_time: signing_time(&date?)?, lifetime },
            address: format!("{location} {scope} {parameters:?}"),
            text: without_identity(text),
            identity: Sensitive::new(format!("{key_id} {}", token.unwrap_or_default())),
            signature: Sensitive::new(signature?),
        })
    }
}

/// The parameters of a signature that go into separate parts.
const SIGNED: [&str; 5] =
    ["X-Amz-Date", "X-Amz-Expires", CREDENTIAL, "X-Amz-Security-Token", "X-Amz-Signature"];
const CREDENTIAL: &str = "X-Amz-Credential";

/// The text of a URL without key id, session token and signature.
fn without_identity(text: &str) -> String {
    let (location, query) = text.split_once('?').unwrap_or((text, ""));
    let parts = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            CREDENTIAL => Some(split_credential(value, "%2F").map_or(pair, |(_, scope)| scope)),
            "X-Amz-Security-Token" | "X-Amz-Signature" if !value.is_empty() => None,
            _ => Some(pair),
        }
    });
    std::iter::once(location).chain(parts).collect::<Vec<_>>().join("&")
}

/// Splits a credential into key id and scope. The scope has four parts. A key id may contain slashes.
pub(super) fn split_credential<'a>(credential: &'a str, slash: &str) -> Option<(&'a str, &'a str)> {
    let (place, _) = credential.rmatch_indices(slash).take(4).last()?;
    Some((&credential[..place], &credential[place + slash.len()..]))
}

/// Parses a time as a signature writes it: `20300102T030405Z`.
pub(super) fn signing_time(text: &str) -> Option<Timestamp> {
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let time = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    (time >= Timestamp::UNIX_EPOCH).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://h/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ID%2F20300102%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20300102T030405Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Security-Token=T&X-Amz-Signature=abc";

    #[test]
    fn the_location_is_what_comes_before_the_query() {
        let validity = Validity { signing_time: Timestamp::UNIX_EPOCH, lifetime: 60 };
        for (url, expected) in [(URL, "https://h/b/k"), ("https://h/b/", "https://h/b/")] {
            let signed = SignedUrl { url: Sensitive::new(url.to_owned()), form: None, validity };
            assert_eq!(signed.location(), expected);
        }
    }

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
    fn an_id_may_have_slashes() {
        let plain = UrlParts::read(URL).unwrap();
        let slashed = UrlParts::read(&URL.replace("=ID%2F", "=a%2Fb%2FID%2F")).unwrap();
        assert_eq!((slashed.address, slashed.text), (plain.address, plain.text));
        assert_eq!(slashed.identity.expose(), "a/b/ID T");
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
            ("=60", "=604801"),
            ("=60", "=60&X-Amz-Expires=60"),
            ("=20300102T", "=19691231T"),
            ("=abc", "=abc&X-Amz-Signature=abc"),
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
