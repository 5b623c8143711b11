//! What the tests start from: verifiers, requests, a clock.

use jiff::{SignedDuration, Timestamp};
use presign_operator::domain::limits::VerifyEndpoints;
use presign_operator::domain::policy::Requester;
use presign_operator::domain::verification::{Finding, NotAsked, Question, QuestionKind};
use presign_operator::domain::{Credentials, Request, Sensitive, Validity};
use presign_operator::runtime::Clock;
use presign_operator::s3::UrlSigner;
use presign_operator::verify::{StoreVerifier, VerifyCall, VerifySettings};
use serde_json::{Value, json};

/// A header that stores send and other web servers do not.
pub const OF_STORE: &str = "x-amz-request-id: r\r\n";

/// This machine at every port of the tests is listed with its addresses.
pub fn settings(list: &[&str]) -> VerifySettings {
    let endpoints = VerifyEndpoints::parse(list.iter().copied()).unwrap();
    VerifySettings { endpoints, ca_bundle: None, proxy: None, no_proxy: None }
}

pub fn verifier(list: &[&str]) -> StoreVerifier {
    StoreVerifier::new(settings(list)).unwrap()
}

pub fn now() -> Timestamp {
    Clock::system().now()
}

pub fn internal(authority: &str) -> Finding {
    Finding::NotAsked(NotAsked::Internal { authority: authority.to_owned() })
}

pub fn unlisted(authority: &str) -> Finding {
    Finding::NotAsked(NotAsked::Host { authority: authority.to_owned() })
}

/// A question for the object at a URL, signed or not.
pub async fn ask_url(verifier: &StoreVerifier, url: &str, is_of_platform: bool) -> Finding {
    ask_raw(verifier, QuestionKind::Object, url, is_of_platform).await
}

pub async fn ask_raw(
    verifier: &StoreVerifier,
    kind: QuestionKind,
    url: &str,
    is_of_platform: bool,
) -> Finding {
    let url = Sensitive::new(url.to_owned());
    let headers = [("Range".to_owned(), "bytes=0-0".to_owned())];
    let (headers, region) = (&headers[..], "us-east-1");
    let call = VerifyCall { kind, url: &url, headers, region, ca_bundle: None, is_of_platform };
    verifier.ask(call, now).await
}

/// A store that a request is for, and how it is signed.
pub struct Signing {
    pub endpoint: String,
    pub region: String,
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
    /// How many seconds our clock is ahead.
    pub ahead: i64,
}

impl Signing {
    /// By a key of the store, without a session and with the right clock.
    pub fn new(endpoint: String, region: &str, id: &str, secret: &str) -> Self {
        let (region, id, secret) = (region.to_owned(), id.to_owned(), secret.to_owned());
        Self { endpoint, region, id, secret, token: None, ahead: 0 }
    }

    fn request(&self, bucket: &str, key: &str, method: &str) -> Request {
        let mut spec: Value = json!({
            "bucket": bucket, "key": key, "method": method,
            "s3": {
                "endpoint": self.endpoint, "region": self.region,
                "credentials": {"secretRef": {"name": "keys"}},
            },
        });
        if method == "POST" {
            spec["form"] = json!({"maxSize": 10});
        }
        Request::inline(Requester::new("n", "a"), &serde_json::from_value(spec).unwrap(), None).unwrap()
    }

    /// Asks about the URL of an object, and expects this finding.
    pub async fn expect(&self, bucket: &str, key: &str, method: &str, finding: Finding) {
        assert_eq!(self.ask(bucket, key, method).await, finding, "{method} {bucket}/{key}");
    }

    /// What the store says about the URL of an object.
    pub async fn ask(&self, bucket: &str, key: &str, method: &str) -> Finding {
        let question = Question::of(&self.request(bucket, key, method));
        let text = |text: &String| Sensitive::new(text.clone());
        let credentials = Credentials {
            access_key_id: text(&self.id),
            secret_access_key: text(&self.secret),
            session_token: self.token.as_ref().map(text),
            expiration: None,
        };
        let clock = || now() + SignedDuration::from_secs(self.ahead);
        let signing_time = Timestamp::from_second(clock().as_second()).unwrap();
        let validity = Validity { signing_time, lifetime: 300 };
        let signed = UrlSigner::default().presign(&question.request, &credentials, validity).unwrap();
        let call = VerifyCall {
            kind: question.kind,
            url: &signed.url,
            headers: &question.headers,
            region: &self.region,
            ca_bundle: None,
            is_of_platform: false,
        };
        let address = self.endpoint.strip_prefix("http://").unwrap();
        verifier(&[&format!("{address}=127.0.0.0/8")]).ask(call, clock).await
    }
}
