//! The stores that URLs are tried on: versitygw, and s3s over s3s-fs within this process.
//!
//! Two implementations that share no code; each runs once for all tests, and every test
//! has a bucket of its own.

mod answers;
mod curl;
mod deletes;
mod denials;
mod downloads;
mod forms;
mod multipart;
mod s3s_server;
mod uploads;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::{SignedDuration, Timestamp};
use presign_operator::crd::CredentialsSecretRef;
use presign_operator::domain::Credentials;
use presign_operator::runtime::Clock;
use serde_json::{Value, json};
use testbed::{ObjectStore, SessionStore};

pub(crate) use answers::Answer;
pub(crate) use curl::{curl, curl_with, post};

use crate::facts::Facts;
use crate::sigv4::{self, Key};

/// A running store.
pub(crate) struct Store {
    pub(crate) name: &'static str,
    /// Where it listens, by address.
    pub(crate) endpoint: String,
    /// The same by a name, before which buckets may stand.
    pub(crate) named_endpoint: String,
    pub(crate) region: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    create_bucket: Box<dyn Fn(&str) + Send + Sync>,
}

/// An S3 gateway in Go. The only region that it takes is not the usual one.
pub(crate) static VERSITYGW: LazyLock<Store> = LazyLock::new(|| {
    let store = ObjectStore::builder().region("eu-central-1").virtual_domain("s3.localhost").start().unwrap();
    Store {
        name: "versitygw",
        endpoint: store.endpoint(),
        named_endpoint: store.virtual_host_endpoint().unwrap(),
        region: store.region().to_owned(),
        access_key_id: store.access_key_id().to_owned(),
        secret_access_key: store.secret_access_key().to_owned(),
        create_bucket: Box::new(move |bucket| store.create_bucket(bucket).unwrap()),
    }
});

/// An S3 server in Rust. It takes every region.
pub(crate) static S3S: LazyLock<Store> = LazyLock::new(s3s_server::start);

/// A store in Go that has nothing in common with the others.
pub(crate) static SEAWEEDFS: LazyLock<Store> = LazyLock::new(|| {
    let store = SessionStore::builder().start().unwrap();
    Store {
        name: "SeaweedFS",
        endpoint: store.endpoint(),
        named_endpoint: store.endpoint(),
        region: store.region().to_owned(),
        access_key_id: store.access_key_id().to_owned(),
        secret_access_key: store.secret_access_key().to_owned(),
        create_bucket: Box::new(move |bucket| store.create_bucket(bucket).unwrap()),
    }
});

impl Store {
    /// A bucket that nobody else uses.
    pub(crate) fn bucket(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let bucket = format!("bucket-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        (self.create_bucket)(&bucket);
        bucket
    }

    /// A spec for this store with more fields, or others.
    pub(crate) fn spec(&self, bucket: &str, key: &str, fields: &Value) -> Value {
        let mut spec = json!({
            "bucket": bucket,
            "key": key,
            "s3": {"endpoint": self.endpoint, "region": self.region, "credentials": {"secretRef": {"name": "keys"}}},
        });
        for (name, value) in fields.as_object().unwrap() {
            spec[name] = value.clone();
        }
        spec
    }

    /// What a pod finds for a spec that is signed now.
    pub(crate) fn issue(&self, spec: &Value) -> Facts {
        self.issue_at(spec, now())
    }

    pub(crate) fn issue_at(&self, spec: &Value, signing_time: Timestamp) -> Facts {
        let spec = serde_json::from_value(spec.clone()).unwrap();
        Facts::issue(&spec, &self.credentials(), signing_time).unwrap()
    }

    fn credentials(&self) -> Credentials {
        let reference: CredentialsSecretRef = serde_json::from_value(json!({"name": "keys"})).unwrap();
        let data = [("access-key-id", &self.access_key_id), ("secret-access-key", &self.secret_access_key)];
        let data =
            data.map(|(key, text)| (key.to_owned(), k8s_openapi::ByteString(text.clone().into_bytes())));
        Credentials::parse(&reference, &data.into()).unwrap()
    }

    /// Facts for a URL of the operator's, by method and key alone.
    pub(crate) fn url(&self, method: &str, bucket: &str, key: &str) -> Facts {
        self.issue(&self.spec(bucket, key, &json!({"method": method})))
    }

    /// Stores an object by a URL of the operator's.
    pub(crate) fn put(&self, bucket: &str, key: &str, body: &[u8]) {
        let answer = curl(&self.url("PUT", bucket, key), body);
        assert_eq!(answer.status, 200, "{}: {key:?}: {answer:?}", self.name);
    }

    /// The object as a URL of the operator's downloads it.
    pub(crate) fn get(&self, bucket: &str, key: &str) -> Answer {
        curl(&self.url("GET", bucket, key), b"")
    }

    /// A URL that the operator does not issue, from the signer of the tests.
    pub(crate) fn other_url(&self, method: &str, path: &str, parameters: &[(&str, &str)]) -> String {
        let key = Key { id: &self.access_key_id, secret: &self.secret_access_key, region: &self.region };
        let address = format!("{}/{path}", self.endpoint);
        let time = now().strftime("%Y%m%dT%H%M%SZ").to_string();
        sigv4::presign(method, &address, parameters, &key, &time)
    }
}

pub(crate) fn now() -> Timestamp {
    Clock::system().now()
}

pub(crate) fn before(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}
