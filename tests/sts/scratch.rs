//! What the tests start from: requests, credentials, a clock.

use jiff::Timestamp;
use presign_operator::domain::limits::StsEndpoints;
use presign_operator::domain::request::AwsAddress;
use presign_operator::domain::request::Endpoint;
use presign_operator::domain::session::{StsAddress, StsRequest};
use presign_operator::domain::{Credentials, Sensitive};
use presign_operator::runtime::Clock;
use presign_operator::sts::{Session, Sts, StsFailure, StsSettings};

/// What must never be shown.
pub const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.hidden.hidden";
pub const KEY: &str = "hidden/secret/access/key";

pub fn settings(list: &str) -> StsSettings {
    let endpoints = StsEndpoints::parse(list.split(',')).unwrap();
    StsSettings { endpoints, ca_bundle: None, proxy: None, no_proxy: None, ambient: None }
}

pub fn sts(list: &str) -> Sts {
    Sts::new(settings(list)).unwrap()
}

pub fn sts_request(url: &str) -> StsRequest {
    let endpoint = Some(Endpoint::parse(url).unwrap());
    let region = "eu-central-1".to_owned();
    let service = StsAddress { endpoint, region, aws: AwsAddress::default(), ca_bundle: None };
    StsRequest {
        service,
        role_arn: Some("arn:aws:iam::123456789012:role/reports".to_owned()),
        external_id: Some("hidden-external-id".to_owned()),
        session_name: "team-report".to_owned(),
        duration: 900,
        policy: Some(r#"{"Version":"2012-10-17","hidden":[]}"#.to_owned()),
    }
}

pub fn token() -> Sensitive<String> {
    Sensitive::new(TOKEN.to_owned())
}

pub fn credentials() -> Credentials {
    Credentials {
        access_key_id: Sensitive::new("AKIAHIDDENHIDDENHIDD".to_owned()),
        secret_access_key: Sensitive::new(KEY.to_owned()),
        session_token: None,
        expiration: None,
    }
}

pub fn now() -> Timestamp {
    Clock::system().now()
}

/// The operator makes its calls on several threads.
fn sent<T: Send>(call: T) -> T {
    call
}

/// A call for a token, to a server that may be called.
pub async fn web_identity(url: &str) -> Result<Session, StsFailure> {
    sent(sts("http://127.0.0.1").with_web_identity(&sts_request(url), &token(), now)).await
}

/// A call for credentials, to a server that may be called.
pub async fn assume_role(url: &str) -> Result<Session, StsFailure> {
    sent(sts("http://127.0.0.1").with_credentials(&sts_request(url), &credentials(), now)).await
}
