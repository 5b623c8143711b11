//! Signature Version 4 in the query string, written from AWS's specification
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>).
//!
//! Shares nothing with `src/` nor with the SDK: a mistake made there must not be made
//! here as well. It judges a URL as a server does, by what would arrive over the wire.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// A request as it arrives at a server.
pub(crate) struct Arrived<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    /// All but `Host`, which follows from the URL.
    pub(crate) headers: &'a [(String, String)],
}

/// What a signature is made with.
pub(crate) struct Key<'a> {
    pub(crate) id: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) region: &'a str,
}

/// Whether a server that knows the key lets the request in, apart from the time of day.
///
/// Stricter than the specification where a server may be: nothing in the URL may be
/// encoded in another way than the canonical one, no parameter may stand there twice, and
/// all headers of the request must be signed.
///
/// # Errors
/// Says what is wrong.
pub(crate) fn verify(request: &Arrived<'_>, key: &Key<'_>) -> Result<(), String> {
    let url = Url::read(request.url)?;
    let parameter = |name: &str| {
        url.parameters.get(name).map(String::as_str).ok_or_else(|| format!("there is no parameter {name}"))
    };
    require(parameter("X-Amz-Algorithm")? == "AWS4-HMAC-SHA256", "the algorithm is another one")?;
    let time = parameter("X-Amz-Date")?;
    require(is_time(time), "X-Amz-Date is no time")?;
    let scope = format!("{}/{}/s3/aws4_request", &time[..8], key.region);
    require(
        parameter("X-Amz-Credential")? == format!("{}/{scope}", key.id),
        "the credential is another one",
    )?;
    let expires: u32 = parameter("X-Amz-Expires")?.parse().map_err(|_| "X-Amz-Expires is no number")?;
    require((1..=604_800).contains(&expires), "X-Amz-Expires is out of range")?;

    let headers = canonical_headers(url.authority, request.headers);
    let signed: Vec<&str> = headers.keys().map(String::as_str).collect();
    require(parameter("X-Amz-SignedHeaders")? == signed.join(";"), "other headers are signed")?;
    let canonical = canonical_request(request.method, url.path, &url.parameters, &headers);
    let expected = signature(key, time, &scope, &canonical);
    require(parameter("X-Amz-Signature")? == expected, "the signature is another one")
}

/// A URL for a method that the operator does not sign; lives for five minutes.
pub(crate) fn presign(
    method: &str,
    address: &str,
    own: &[(&str, &str)],
    key: &Key<'_>,
    time: &str,
) -> String {
    let scope = format!("{}/{}/s3/aws4_request", &time[..8], key.region);
    let credential = format!("{}/{scope}", key.id);
    let signing = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", time),
        ("X-Amz-Expires", "300"),
        ("X-Amz-SignedHeaders", "host"),
    ];
    let parameters: BTreeMap<String, String> =
        signing.iter().chain(own).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (_, rest) = address.split_once("://").unwrap();
    let (authority, path) = rest.split_at(rest.find('/').unwrap());
    let headers = canonical_headers(authority, &[]);
    let signature = signature(key, time, &scope, &canonical_request(method, path, &parameters, &headers));
    format!("{address}?{}&X-Amz-Signature={signature}", canonical_query(&parameters))
}

fn require(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// A URL taken apart; parameters decoded, and each of them there once.
struct Url<'a> {
    authority: &'a str,
    path: &'a str,
    parameters: BTreeMap<String, String>,
}

impl<'a> Url<'a> {
    fn read(text: &'a str) -> Result<Self, String> {
        let (address, query) = text.split_once('?').ok_or("there is no query")?;
        let (_, rest) = address.split_once("://").ok_or("there is no scheme")?;
        let (authority, path) = rest.split_at(rest.find('/').ok_or("there is no path")?);
        require(encode(&decode(path)?, true) == path, "the path is not canonical")?;
        let mut parameters = BTreeMap::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').ok_or("a parameter has no value")?;
            let (plain_name, plain_value) = (decode(name)?, decode(value)?);
            let canonical = encode(&plain_name, false) == name && encode(&plain_value, false) == value;
            require(canonical, &format!("{plain_name} is not canonical"))?;
            let once = parameters.insert(plain_name.clone(), plain_value).is_none();
            require(once, &format!("{plain_name} stands there twice"))?;
        }
        Ok(Self { authority, path, parameters })
    }
}

/// `20300102T030405Z`.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "00000000T000000Z"
}

/// Names in lower case; values without outer space and with single inner spaces.
fn canonical_headers(host: &str, headers: &[(String, String)]) -> BTreeMap<String, String> {
    let host = ("host".to_owned(), host.to_owned());
    let others = headers.iter().map(|(name, value)| {
        let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
        (name.to_ascii_lowercase(), words.join(" "))
    });
    std::iter::once(host).chain(others).collect()
}

fn canonical_query(parameters: &BTreeMap<String, String>) -> String {
    let mut pairs: Vec<(String, String)> = parameters
        .iter()
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| (encode(name, false), encode(value, false)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn canonical_request(
    method: &str,
    path: &str,
    parameters: &BTreeMap<String, String>,
    headers: &BTreeMap<String, String>,
) -> String {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = headers.keys().map(String::as_str).collect::<Vec<_>>().join(";");
    let query = canonical_query(parameters);
    format!("{method}\n{path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD")
}

fn signature(key: &Key<'_>, time: &str, scope: &str, canonical_request: &str) -> String {
    let hash = hex(&Sha256::digest(canonical_request));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}");
    let start = format!("AWS4{}", key.secret).into_bytes();
    let signing_key = scope.split('/').fold(start, |key, part| hmac(&key, part));
    hex(&hmac(&signing_key, &to_sign))
}

/// The signature of the policy of a form: the policy itself is what is signed.
pub(crate) fn sign_policy(secret: &str, scope: &str, policy: &str) -> String {
    let start = format!("AWS4{secret}").into_bytes();
    let key = scope.split('/').fold(start, |key, part| hmac(&key, part));
    hex(&hmac(&key, policy))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// AWS's `UriEncode`: all but `A-Za-z0-9-._~`, and the slash where it may stand.
pub(crate) fn encode(text: &str, keep_slash: bool) -> String {
    let unreserved = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| match byte {
            byte if unreserved(&byte) => char::from(byte).to_string(),
            b'/' if keep_slash => "/".to_owned(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// What a percent-encoded text says; a plus is a plus.
pub(crate) fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        (bytes, rest) = if *first == b'%' {
            let digits = others.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            bytes.push(byte.ok_or("a percent sign stands alone")?);
            (bytes, &others[2..])
        } else {
            bytes.push(*first);
            (bytes, others)
        };
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AWS's own example, from the page that this file is written from.
    const EXAMPLE: &str = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

    fn judge(method: &str, url: &str, headers: &[(String, String)]) -> Result<(), String> {
        let key = Key {
            id: "AKIAIOSFODNN7EXAMPLE",
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
        };
        verify(&Arrived { method, url, headers }, &key)
    }

    #[test]
    fn the_example_of_aws_is_let_in_and_nothing_near_it() {
        assert_eq!(judge("GET", EXAMPLE, &[]), Ok(()));
        assert!(judge("PUT", EXAMPLE, &[]).is_err());
        assert!(judge("GET", EXAMPLE, &[("Range".to_owned(), "bytes=0-1".to_owned())]).is_err());
        for (from, to) in [
            ("examplebucket", "otherbucket"),
            ("test.txt", "test.tx"),
            ("test.txt", "%74est.txt"),
            ("86400", "86401"),
            ("us-east-1", "us-east-2"),
            ("20130524T000000Z", "20130524T000001Z"),
            ("&X-Amz-SignedHeaders", "&x-id=GetObject&X-Amz-SignedHeaders"),
            ("X-Amz-Signature=a", "X-Amz-Signature=b"),
            ("X-Amz-Expires=86400&", ""),
        ] {
            assert!(judge("GET", &EXAMPLE.replacen(from, to, 1), &[]).is_err(), "{to}");
        }
    }
}
