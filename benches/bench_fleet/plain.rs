//! The plainest client: bytes out, bytes in, nothing parsed that nobody asks for.

use http_body_util::BodyExt as _;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::Value;

pub(crate) const GROUP: &str = "/apis/presign.dev/v1alpha1/namespaces";
pub(crate) const CORE: &str = "/api/v1/namespaces";
/// The collection of the `PresignedUrl`s of a namespace.
pub(crate) fn presigned_urls(namespace: &str) -> String {
    format!("{GROUP}/{namespace}/presignedurls")
}

const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// Sends a request and returns the answer's body, which is still to come. It is sent once more if
/// the connection is closed under it, as the API server may do with one that was idle.
pub(crate) async fn send(
    client: &Client,
    method: Method,
    path: &str,
    types: (&str, &str),
    body: Vec<u8>,
) -> Response<Body> {
    let request = || {
        let request = Request::builder().method(&method).uri(path);
        let request = request.header(CONTENT_TYPE, types.0).header(ACCEPT, types.1);
        request.body(Body::from(body.clone())).unwrap()
    };
    match client.send(request()).await {
        Err(kube::Error::Service(_)) => client.send(request()).await,
        answer => answer,
    }
    .expect("the API server answers")
}

async fn bytes(response: Response<Body>, path: &str) -> Vec<u8> {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes().to_vec();
    assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&bytes));
    bytes
}

pub(crate) async fn get(client: &Client, path: &str) -> Vec<u8> {
    bytes(send(client, Method::GET, path, (JSON, JSON), Vec::new()).await, path).await
}

/// A create, as large as the body: what is there already is a failure.
pub(crate) async fn create(client: &Client, path: &str, manager: &str, body: Vec<u8>) -> Vec<u8> {
    let path = format!("{path}?fieldManager={manager}");
    bytes(send(client, Method::POST, &path, (JSON, JSON), body).await, &path).await
}

pub(crate) async fn delete(client: &Client, path: &str) {
    bytes(send(client, Method::DELETE, path, (JSON, JSON), Vec::new()).await, path).await;
}

/// A server-side apply that takes the fields of others over.
pub(crate) async fn apply(client: &Client, path: &str, manager: &str, body: Vec<u8>) -> Vec<u8> {
    let path = format!("{path}?fieldManager={manager}&force=true");
    bytes(send(client, Method::PATCH, &path, (APPLY, JSON), body).await, &path).await
}

/// Begins a watch, of metadata only if so wanted.
pub(crate) async fn open(client: &Client, path: &str, selector: &str, metadata_only: bool) -> Response<Body> {
    let accept = if metadata_only { METADATA } else { JSON };
    send(client, Method::GET, &format!("{path}?{selector}"), (JSON, accept), Vec::new()).await
}

/// The resource version at which a collection stands.
pub(crate) async fn version(client: &Client, path: &str) -> String {
    let list: Value = serde_json::from_slice(&get(client, &format!("{path}?limit=1")).await).unwrap();
    list["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

/// Every object of a collection, as its pages come, by what `read` makes of it.
pub(crate) async fn pages<T>(client: &Client, path: &str, mut read: impl FnMut(&Value) -> T) -> Vec<T> {
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let page = get(client, &format!("{path}?limit=1000&continue={token}")).await;
        let page: Value = serde_json::from_slice(&page).unwrap();
        found.extend(page["items"].as_array().unwrap().iter().map(&mut read));
        page["metadata"]["continue"].as_str().unwrap_or_default().clone_into(&mut token);
        if token.is_empty() {
            return found;
        }
    }
}
