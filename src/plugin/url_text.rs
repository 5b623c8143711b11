//! Takes the text of a presigned URL apart, without interpreting it: host, path and parameters as they are
//! written.
//!
//! The parts contain the signature and the session token, so no type here can be printed.

use crate::domain::Sensitive;
use percent_encoding::percent_decode_str;

/// The parts of a URL as they are written.
#[derive(Clone)]
pub(super) struct UrlText {
    /// `http` or `https`.
    pub(super) scheme: String,
    /// Host and port.
    pub(super) authority: String,
    /// The path, with its leading slash.
    pub(super) path: String,
    /// The parameters, each as name and value, encoded.
    pub(super) parameters: Vec<(String, Sensitive<String>)>,
    /// Whether the text came out of HTML, with `&amp;` in place of `&`.
    pub(super) was_escaped: bool,
}

/// Why a text is no presigned URL. No part of the text is in it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum NotPresigned {
    #[error("is empty")]
    Empty,
    #[error("is not a URL: it must begin with https:// or http://")]
    NoUrl,
    #[error("has a space, a line break or a control character in it: copy it again as a whole")]
    Broken,
    #[error("has no query, so it is not presigned: quote the whole URL, since a shell splits it at &")]
    NoQuery,
    #[error("has no parameter {0}: if a shell split the URL at &, quote the whole URL")]
    Missing(&'static str),
    #[error("has the parameter {0} twice")]
    Twice(&'static str),
    #[error("has a parameter {0} that cannot be read")]
    BadValue(&'static str),
    #[error("is signed with signature version 2 of AWS, which is not explained here")]
    Version2,
    #[error("is signed for {0}, not with signature version 4 of AWS")]
    Foreign(&'static str),
}

/// The parameters that a URL with signature version 4 always has.
const NEEDED: [&str; 6] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
];

impl UrlText {
    /// Takes a text apart. Quotes and white space around it do not matter.
    ///
    /// # Errors
    /// When it is no presigned URL with signature version 4.
    pub(super) fn read(text: &str) -> Result<Self, NotPresigned> {
        let text = text.trim().trim_matches(['"', '\'', '<', '>']);
        if text.is_empty() {
            return Err(NotPresigned::Empty);
        }
        let (before, query) = text.split_once('?').unwrap_or((text, ""));
        let (scheme, authority, path) = address(before).ok_or(NotPresigned::NoUrl)?;
        if before.len() == text.len() {
            return Err(NotPresigned::NoQuery);
        }
        let query = query.split('#').next().unwrap_or_default();
        if query.contains(|c: char| c.is_whitespace() || c.is_control()) || before.contains(char::is_control)
        {
            return Err(NotPresigned::Broken);
        }
        let was_escaped = query.contains("&amp;");
        let query = query.replace("&amp;", "&");
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), Sensitive::new(value.to_owned()))
        };
        let url = Self {
            scheme,
            authority,
            path,
            parameters: query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect(),
            was_escaped,
        };
        url.check()?;
        Ok(url)
    }

    fn check(&self) -> Result<(), NotPresigned> {
        let has = |wanted: &str| self.parameters.iter().any(|(name, _)| name == wanted);
        if has("AWSAccessKeyId") {
            return Err(NotPresigned::Version2);
        }
        let foreign = [
            ("X-Goog-Signature", "Google Cloud Storage"),
            ("sig", "Azure Blob Storage"),
            ("Key-Pair-Id", "CloudFront"),
            ("OSSAccessKeyId", "Alibaba OSS"),
        ];
        if let Some((_, store)) = foreign.iter().find(|(name, _)| has(name) && !has("X-Amz-Signature")) {
            return Err(NotPresigned::Foreign(store));
        }
        for name in NEEDED {
            match self.parameters.iter().filter(|(found, _)| found == name).count() {
                0 => return Err(NotPresigned::Missing(name)),
                1 => {}
                _ => return Err(NotPresigned::Twice(name)),
            }
        }
        Ok(())
    }

    /// The decoded value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let found = self.parameters.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| decode_form(value.expose()))
    }
}

/// Scheme, authority and path of an address without a query; `None` if it is not one of HTTP.
pub(super) fn address(text: &str) -> Option<(String, String, String)> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_http = ["http", "https"].contains(&scheme.as_str()) && !authority.is_empty();
    let path = if path.is_empty() { "/" } else { path };
    is_http.then(|| (scheme, authority.to_owned(), path.to_owned()))
}

/// Decodes percent signs once; what is not valid stays as it is.
pub(super) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Decodes a value of a query as servers do, to which a plus is a space.
pub(super) fn decode_form(text: &str) -> String {
    decode(&text.replace('+', " "))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const URL: &str = "https://s3.us-west-2.amazonaws.com/reports/2026/q3%20summary.pdf?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAEXAMPLE%2F20300102%2Fus-west-2%2Fs3%2Faws4_request&X-Amz-Date=20300102T030405Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=0123456789abcdef";

    #[test]
    fn takes_a_url_apart_however_it_was_copied() {
        for text in [
            URL.to_owned(),
            format!("  \"{URL}\"\n"),
            format!("<{URL}>"),
            format!("{URL}#top"),
            URL.replace("https", "HTTPS"),
        ] {
            let url = UrlText::read(&text).unwrap();
            assert_eq!(url.scheme, "https");
            assert_eq!(url.authority, "s3.us-west-2.amazonaws.com");
            assert_eq!(url.path, "/reports/2026/q3%20summary.pdf");
            assert_eq!(url.parameter("X-Amz-Expires").as_deref(), Some("3600"));
            assert!(!url.was_escaped);
        }
        assert!(UrlText::read(&URL.replace('&', "&amp;")).unwrap().was_escaped);
    }

    #[test]
    fn says_why_a_text_is_no_presigned_url_without_a_part_of_it() {
        for (text, expected) in [
            (String::new(), NotPresigned::Empty),
            ("hello".to_owned(), NotPresigned::NoUrl),
            ("s3://a/b".to_owned(), NotPresigned::NoUrl),
            ("https:///b?x".to_owned(), NotPresigned::NoUrl),
            ("https://h/b".to_owned(), NotPresigned::NoQuery),
            (URL.replace("&X-Amz-Date", "\n&X-Amz-Date"), NotPresigned::Broken),
            (URL.split('&').next().unwrap().to_owned(), NotPresigned::Missing("X-Amz-Credential")),
            (format!("{URL}&X-Amz-Date=1"), NotPresigned::Twice("X-Amz-Date")),
            ("https://h/b?AWSAccessKeyId=a&Signature=b".to_owned(), NotPresigned::Version2),
            ("https://h/b?X-Goog-Signature=a".to_owned(), NotPresigned::Foreign("Google Cloud Storage")),
        ] {
            let error = UrlText::read(&text).err().unwrap();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("0123456789abcdef"));
        }
    }

    #[test]
    fn decodes_once_and_keeps_what_is_not_valid() {
        assert_eq!(decode("a%20b%2520c%zz%2"), "a b%20c%zz%2");
        assert_eq!(decode("%C3%A9+%c3%a9"), "é+é");
        assert_eq!(decode("%+1"), "%+1");
        assert_eq!(decode_form("a+b%2B"), "a b+");
    }
}
