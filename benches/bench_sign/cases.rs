//! What is signed: once the plainest URL, once one with all that costs.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use presign_operator::domain::policy::Requester;
use presign_operator::domain::{Credentials, Request, Validity};
use presign_operator::runtime::Clock;
use presign_operator::s3::UrlSigner;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A kind of URL.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) is_rich: bool,
}

pub(crate) const CASES: [Case; 2] = [
    Case { name: "GET, path style", is_rich: false },
    Case { name: "PUT, virtual host, 4 headers, session token", is_rich: true },
];

/// All that is kept between two URLs of a case.
pub(crate) struct Signing {
    signer: UrlSigner,
    request: Request,
    credentials: Credentials,
    validity: Validity,
}

impl Signing {
    /// Signs the URL of one of many keys.
    pub(crate) fn url(&self, number: u64) -> String {
        let request = Request { key: key(number), ..self.request.clone() };
        self.signer.presign(&request, &self.credentials, self.validity).unwrap().url.expose().clone()
    }
}

/// A key with something to encode.
fn key(number: u64) -> String {
    format!("reports/2026/q3 summary {number}.pdf")
}

impl Case {
    /// The same for boto3: operation, parameters, configuration and credentials.
    pub(crate) fn for_boto3(&self) -> Value {
        if self.is_rich {
            json!({
                "operation": "put_object",
                "params": {
                    "Bucket": "reports", "ContentType": "application/pdf", "IfNoneMatch": "*",
                    "Metadata": {"source": "bench"}, "ServerSideEncryption": "AES256",
                },
                "client": {"region_name": "eu-central-1"}, "style": "virtual",
                "id": "AKIAIOSFODNN7EXAMPLE", "secret": SECRET, "token": "t".repeat(600),
            })
        } else {
            json!({
                "operation": "get_object", "params": {"Bucket": "reports"},
                "client": {"region_name": "us-west", "endpoint_url": "https://us-west.s3.qencode.com"}, "style": "path",
                "id": "AKIAIOSFODNN7EXAMPLE", "secret": SECRET, "token": null,
            })
        }
    }

    fn spec(&self) -> Value {
        if self.is_rich {
            json!({
                "bucket": "reports", "key": "unset", "method": "PUT",
                "headers": {
                    "Content-Type": "application/pdf", "If-None-Match": "*", "x-amz-meta-source": "bench",
                    "x-amz-server-side-encryption": "AES256",
                },
                "s3": {"region": "eu-central-1", "credentials": {"secretRef": {"name": "keys"}}},
            })
        } else {
            json!({
                "bucket": "reports", "key": "unset",
                "s3": {
                    "region": "us-west", "endpoint": "https://us-west.s3.qencode.com",
                    "credentials": {"secretRef": {"name": "keys"}},
                },
            })
        }
    }

    pub(crate) fn signer(&self) -> Signing {
        let request = Request::inline(
            Requester::new("team-a", "bench"),
            &serde_json::from_value(self.spec()).unwrap(),
            None,
        )
        .unwrap();
        let token = self.for_boto3()["token"].as_str().map(str::to_owned);
        let data = [
            ("access-key-id", Some("AKIAIOSFODNN7EXAMPLE".to_owned())),
            ("secret-access-key", Some(SECRET.to_owned())),
            ("session-token", token),
        ];
        let entry =
            |(key, value): (&str, Option<String>)| Some((key.to_owned(), ByteString(value?.into_bytes())));
        let data = data.into_iter().filter_map(entry).collect();
        let credentials = Credentials::parse(request.credentials.secret().unwrap(), &data).unwrap();
        let now: Timestamp = Clock::system().now();
        let validity = Validity::new(now, request.expires_in, None).unwrap();
        Signing { signer: UrlSigner::default(), request, credentials, validity }
    }

    /// Panics unless boto3 makes the same URL, but for what depends on the time.
    pub(crate) fn check_same(&self, theirs: &str) {
        let shape = |url: &str| -> (String, BTreeMap<String, String>) {
            let (address, query) = url.split_once('?').unwrap();
            let timed = ["X-Amz-Date", "X-Amz-Credential", "X-Amz-Signature"];
            let parameter = |pair: &str| {
                let (name, value) = pair.split_once('=').unwrap();
                (name.to_owned(), if timed.contains(&name) { String::new() } else { value.to_owned() })
            };
            (address.to_owned(), query.split('&').map(parameter).collect())
        };
        assert_eq!(shape(&self.signer().url(1)), shape(theirs), "boto3 signs another URL");
    }

    /// The hashing that no signer can do without: the key, the canonical request (here a
    /// text of its usual length) and the signature.
    pub(crate) fn cryptography(&self, number: u64) -> Vec<u8> {
        let length = if self.is_rich { 1300 } else { 330 };
        let canonical_request = format!("{number:0length$}");
        let parts = ["20300102", "us-west", "s3", "aws4_request"];
        let key =
            parts.iter().fold(format!("AWS4{SECRET}").into_bytes(), |key, part| hmac(&key, part.as_bytes()));
        let mut to_sign = b"AWS4-HMAC-SHA256\n20300102T030405Z\n20300102/us-west/s3/aws4_request\n".to_vec();
        to_sign.extend_from_slice(&Sha256::digest(canonical_request));
        to_sign.extend_from_slice(&[b'0'; 32]);
        hmac(&key, &to_sign)
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}
