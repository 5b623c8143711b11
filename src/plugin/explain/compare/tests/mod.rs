//! The table of broken requests, five of each kind: the cause that is named for each is the right one.
//!
//! The URLs are signed by the operator's own signer where it can sign them, and otherwise by
//! [`SignedParts`], for signers that do something wrong.
#![allow(clippy::needless_pass_by_value, reason = "tables are easier to read without references")]

mod table;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::crd::PresignedUrlSpec;
use crate::domain::policy::Requester;
use crate::domain::{Request, Sensitive, Validity};
use crate::plugin::explain::canonical::digest;
use crate::plugin::url_text::UrlText;
use crate::s3::{UrlSigner, encode};

const TIME: &str = "2030-01-02T03:04:05Z";
const TOKEN: &str = "FwoGZXIvYXdzEMr//////////wEaDPw0example+token/of==";

fn credentials(token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: Sensitive::new("AKIAIOSFODNN7EXAMPLE".to_owned()),
        secret_access_key: Sensitive::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
        session_token: token.map(|token| Sensitive::new(token.to_owned())),
        expiration: None,
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A URL of the operator.
fn signed_with(spec: Value, credentials: &Credentials) -> String {
    let mut whole = json!({
        "bucket": "reports", "key": "2026/q3 summary+é.pdf",
        "s3": {"region": "us-west-2", "credentials": {"secretRef": {"name": "a"}}, "addressingStyle": "Path"},
    });
    for (name, value) in spec.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let spec: PresignedUrlSpec = serde_json::from_value(whole).unwrap();
    let request = Request::inline(Requester::new("n", "a"), &spec, None).unwrap();
    let validity = Validity { signing_time: at(TIME), lifetime: 3600 };
    UrlSigner::default().presign(&request, credentials, validity).unwrap().url.expose().clone()
}

fn signed(spec: Value) -> String {
    signed_with(spec, &credentials(None))
}

fn store(endpoint: &str) -> Value {
    json!({"s3": {"endpoint": endpoint, "region": "us-east-1", "credentials": {"secretRef": {"name": "a"}}}})
}

fn headers(headers: Value) -> Value {
    json!({"method": "PUT", "headers": headers})
}

/// The URL with the signature that a signer gives which signs `change` of what it should.
fn signed_wrongly(url: &str, headers: &[(&str, &str)], change: impl Fn(&mut SignedParts)) -> String {
    let sent = sent(url, "GET", headers);
    let mut parts = sent.parts(&credentials(None)).unwrap();
    change(&mut parts);
    let (before, _) = url.split_once("X-Amz-Signature=").unwrap();
    format!("{before}X-Amz-Signature={}", parts.signature())
}

fn sent(url: &str, method: &str, headers: &[(&str, &str)]) -> SentRequest {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    SentRequest { url: UrlText::read(url).unwrap(), method: method.to_owned(), headers }
}

/// One broken request, and what must be said of it.
struct Broken {
    part: RequestPart,
    /// A word of what is found.
    said: &'static str,
    request: SentRequest,
    credentials: Credentials,
    known: KnownSigned,
    clocks: Clocks,
}

fn broken(part: RequestPart, said: &'static str, url: String) -> Broken {
    Broken {
        part,
        said,
        request: sent(&url, "GET", &[]),
        credentials: credentials(None),
        known: KnownSigned::default(),
        clocks: Clocks { here: at("2030-01-02T03:10:00Z"), store: None },
    }
}

impl Broken {
    fn send(mut self, method: &str, headers: &[(&str, &str)]) -> Self {
        self.request.method = method.to_owned();
        let own = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.request.headers = own.collect();
        self
    }

    fn with(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    fn knowing(mut self, hosts: &[&str], headers: &[(&str, &str)]) -> Self {
        self.known.hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let own = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.known.headers = own.collect();
        self
    }

    fn at(mut self, here: &str, store: Option<&str>) -> Self {
        self.clocks = Clocks { here: at(here), store: store.map(at) };
        self
    }
}

#[test]
fn the_cause_of_every_broken_request_is_found() {
    let mut counts = BTreeMap::new();
    let mut faults = Vec::new();
    for one in table::all() {
        *counts.entry(one.part).or_insert(0) += 1;
        let found = compare(&one.request, &one.credentials, &one.known, one.clocks).unwrap();
        let is_said = |finding: &Difference| finding.part == one.part && finding.found.contains(one.said);
        if !found.findings.iter().any(is_said) {
            faults.push(format!("{} {:?}: {found:#?}", one.part, one.said));
        }
        let text = serde_json::to_string(&found).unwrap();
        for hidden in ["wJalrXUtn", "AKIA", "FwoGZX", &one.request.url.parameter("X-Amz-Signature").unwrap()]
        {
            assert!(!text.contains(hidden), "{hidden}: {text}");
        }
    }
    assert!(faults.is_empty(), "{} of {counts:?}:\n{}", faults.len(), faults.join("\n"));
    assert!(counts.len() == 10 && counts.values().all(|count| *count == 5), "{counts:?}");
}

#[test]
fn a_right_request_is_not_blamed() {
    let session = credentials(Some(TOKEN));
    for (url, method, own, credentials) in [
        (signed(json!({})), "GET", &[][..], credentials(None)),
        (
            signed(headers(json!({"Content-Type": "text/plain"}))),
            "PUT",
            &[("content-type", " text/plain ")],
            credentials(None),
        ),
        (signed(store("https://store.example:443")), "GET", &[], credentials(None)),
        (signed(store("http://[::1]:9000")), "GET", &[], credentials(None)),
        (signed_with(json!({"versionID": "a+b/c="}), &session), "GET", &[], session.clone()),
        (
            signed(json!({})),
            "GET",
            &[("Host", "s3.us-west-2.amazonaws.com"), ("User-Agent", "curl")],
            credentials(None),
        ),
    ] {
        let request = sent(&url, method, own);
        let clocks = Clocks { here: at("2030-01-02T03:10:00Z"), store: Some(at("2030-01-02T03:10:30Z")) };
        let found = compare(&request, &credentials, &KnownSigned::default(), clocks).unwrap();
        assert!(found.is_same_signature && found.findings.is_empty(), "{method} {own:?}: {found:?}");
        assert_eq!(found.agrees.len(), 10);
    }
}

#[test]
fn two_faults_are_both_named() {
    let url = signed(json!({"key": "a b.txt"})).replace("a%20b", "a+b");
    let clocks = Clocks { here: at("2030-01-02T03:10:00Z"), store: None };
    let found =
        compare(&sent(&url, "PUT", &[]), &credentials(None), &KnownSigned::default(), clocks).unwrap();
    let parts: Vec<_> = found.findings.iter().map(|finding| finding.part).collect();
    assert_eq!(parts, [RequestPart::Method, RequestPart::KeyEncoding]);
}

#[test]
fn a_missing_header_of_unknown_value_is_reported() {
    let url = signed(headers(json!({"x-amz-meta-team": "red"})));
    let clocks = Clocks { here: at("2030-01-02T03:10:00Z"), store: None };
    let found =
        compare(&sent(&url, "PUT", &[]), &credentials(None), &KnownSigned::default(), clocks).unwrap();
    assert!(!found.is_same_signature && found.findings.len() == 2, "{found:?}");
    assert!(found.findings.iter().all(|finding| finding.part == RequestPart::Header), "{found:?}");
    let hash = digest(b"body");
    let with_body_hash = [("x-amz-meta-team", "red"), ("x-amz-content-sha256", hash.as_str())];
    let found =
        compare(&sent(&url, "PUT", &with_body_hash), &credentials(None), &KnownSigned::default(), clocks);
    assert!(found.unwrap().findings[0].found.contains("x-amz-content-sha256"));
}
