//! Signature version 4 of one request, exactly as it is described: nothing is corrected, so that a wrong
//! request gives the signature that a store computes for it. Pure.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::domain::Sensitive;
use crate::s3::encode;

/// A request as a signature covers it.
#[derive(Clone)]
pub(super) struct SignedParts {
    pub(super) method: String,
    /// The path, encoded as the signature contains it.
    pub(super) path: String,
    /// The parameters without the signature, decoded.
    pub(super) query: Vec<(String, Sensitive<String>)>,
    /// The signed headers besides Host: name in lower case, and value.
    pub(super) headers: Vec<(String, String)>,
    pub(super) host: String,
    /// The hash of the body, or what stands for it.
    pub(super) payload: String,
    pub(super) date: String,
    /// Date, region, service and end of the scope.
    pub(super) scope: String,
    pub(super) secret: Sensitive<String>,
}

impl SignedParts {
    /// The signature, in lower-case hexadecimal digits.
    pub(super) fn signature(&self) -> String {
        self.signature_with(&self.key())
    }

    /// The signature with the key of requests with the same scope and secret.
    pub(super) fn signature_with(&self, key: &Sensitive<Vec<u8>>) -> String {
        let hash = hex(&Sha256::digest(self.canonical()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{}\n{hash}", self.date, self.scope);
        signature_of(&to_sign, key)
    }

    /// The key that signs all requests with this scope and secret.
    pub(super) fn key(&self) -> Sensitive<Vec<u8>> {
        signing_key(&self.secret, &self.scope)
    }

    /// Whether another request is signed with the same key.
    pub(super) fn has_key_of(&self, other: &Self) -> bool {
        self.scope == other.scope && self.secret == other.secret
    }

    fn canonical(&self) -> String {
        let pair = |(name, value): &(String, Sensitive<String>)| {
            (encode::component(name), encode::component(value.expose()))
        };
        let mut query: Vec<_> = self.query.iter().map(pair).collect();
        query.sort();
        let query: Vec<_> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut headers = self.headers.clone();
        headers.push(("host".to_owned(), self.host.clone()));
        headers.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut text = format!("{}\n{}\n{}\n", self.method, self.path, query.join("&"));
        for (name, value) in &headers {
            let _ = writeln!(text, "{name}:{value}");
        }
        let names: Vec<_> = headers.into_iter().map(|(name, _)| name).collect();
        let _ = write!(text, "\n{}\n{}", names.join(";"), self.payload);
        text
    }

    /// Sets a parameter, or removes it.
    pub(super) fn set_parameter(&mut self, name: &str, value: Option<&str>) {
        self.query.retain(|(found, _)| found != name);
        self.query.extend(value.map(|value| (name.to_owned(), Sensitive::new(value.to_owned()))));
    }

    /// Sets the value of a signed header.
    pub(super) fn set_header(&mut self, name: &str, value: &str) {
        for (found, given) in &mut self.headers {
            if found == name {
                value.clone_into(given);
            }
        }
    }
}

/// The key that signs everything with a secret access key and a scope.
pub(super) fn signing_key(secret: &Sensitive<String>, scope: &str) -> Sensitive<Vec<u8>> {
    let start = format!("AWS4{}", secret.expose()).into_bytes();
    Sensitive::new(scope.split('/').fold(start, |key, part| mac(&key, part)))
}

/// The signature of a text, such as the policy of a form, in lower-case hexadecimal digits.
pub(super) fn signature_of(text: &str, key: &Sensitive<Vec<u8>>) -> String {
    hex(&mac(key.expose(), text))
}

/// The SHA-256 of a body, in hexadecimal digits.
pub(super) fn digest(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_the_example_of_aws() {
        let parameters = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"),
            ("X-Amz-Date", "20130524T000000Z"),
            ("X-Amz-Expires", "86400"),
            ("X-Amz-SignedHeaders", "host"),
        ];
        let mut parts = SignedParts {
            method: "GET".to_owned(),
            path: "/test.txt".to_owned(),
            query: parameters
                .map(|(name, value)| (name.to_owned(), Sensitive::new(value.to_owned())))
                .to_vec(),
            headers: Vec::new(),
            host: "examplebucket.s3.amazonaws.com".to_owned(),
            payload: "UNSIGNED-PAYLOAD".to_owned(),
            date: "20130524T000000Z".to_owned(),
            scope: "20130524/us-east-1/s3/aws4_request".to_owned(),
            secret: Sensitive::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
        };
        let expected = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert_eq!(parts.signature(), expected);
        parts.set_parameter("X-Amz-Expires", Some("86401"));
        assert_ne!(parts.signature(), expected);
    }
}
