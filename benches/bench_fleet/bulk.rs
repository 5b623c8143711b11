//! Makes many objects at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use kube::Client;
use serde_json::{Value, json};

use super::plain;

/// How many requests are under way at a time.
const WIDTH: usize = 24;
/// The id of the access keys.
pub(crate) const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";

/// A `PresignedUrl` as the fleet has it.
pub(crate) fn presigned_url(name: &str, keys: &str, changes: &Value) -> Value {
    let mut spec = json!({
        "bucket": "reports",
        "key": format!("2026/q3/summary of {name}.pdf"),
        "expiresIn": "12h",
        "s3": {
            "endpoint": "https://us-west.s3.qencode.com",
            "region": "us-west",
            "credentials": {"secretRef": {"name": keys}},
        },
    });
    for (field, value) in changes.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    json!({
        "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl",
        "metadata": {"name": name}, "spec": spec,
    })
}

/// Which object it is, and at which version.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) uid: String,
    pub(crate) version: String,
}

/// Creates `count` of them.
pub(crate) async fn create(
    client: &Client,
    namespace: &str,
    count: usize,
    object: impl Fn(usize) -> Value,
) -> Vec<Identity> {
    let path = plain::presigned_urls(namespace);
    let next = AtomicUsize::new(0);
    let work = async || {
        let mut made = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return made;
            }
            let answer =
                plain::create(client, &path, "person", object(number).to_string().into_bytes()).await;
            let text = |field: &str| text_after(&answer, &format!("\"{field}\":\""));
            made.push((number, Identity { uid: text("uid"), version: text("resourceVersion") }));
        }
    };
    let mut made: Vec<_> =
        futures::future::join_all((0..WIDTH).map(|_| work())).await.into_iter().flatten().collect();
    made.sort_unstable_by_key(|(number, _)| *number);
    made.into_iter().map(|(_, identity)| identity).collect()
}

/// Creates or replaces a Secret with an access key.
pub(crate) async fn write_keys(client: &Client, namespace: &str, name: &str, secret_key: &str) {
    let body = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "stringData": {"access-key-id": KEY_ID, "secret-access-key": secret_key},
    });
    let path = format!("{}/{namespace}/secrets/{name}", plain::CORE);
    plain::apply(client, &path, "person", body.to_string().into_bytes()).await;
}

/// How many objects of a collection have this reason of `Ready`.
pub(crate) async fn count(client: &Client, path: &str, reason: &str) -> usize {
    let has_it = |object: &Value| {
        let mut conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        conditions.any(|condition| condition["type"] == "Ready" && condition["reason"] == reason)
    };
    plain::pages(client, path, has_it).await.into_iter().filter(|it| *it).count()
}

/// The text between `mark` and the next quote.
pub(crate) fn text_after(json: &[u8], mark: &str) -> String {
    let text = String::from_utf8_lossy(json);
    let (_, rest) = text.split_once(mark).unwrap_or_else(|| panic!("no {mark} in {text}"));
    rest.split('"').next().unwrap().to_owned()
}
