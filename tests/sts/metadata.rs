//! The instance metadata service of EC2 (version 2) and the container credentials endpoint, after their
//! published protocols:
//!
//! - <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>
//! - <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

const TOKEN: &str = "X-aws-ec2-metadata-token";
const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// What the service is like.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// Whether there is a role.
    pub has_role: bool,
    /// Whether it gives out tokens. Without, it is a service of version 1.
    pub has_tokens: bool,
    /// The value of `Authorization` that the container endpoint wants.
    pub authorization: Option<String>,
    /// When the credentials expire.
    pub expiration: String,
    /// Each request: method, path and status.
    pub seen: Arc<Mutex<Vec<String>>>,
}

impl Metadata {
    pub fn new() -> Self {
        let expiration = "2099-01-01T00:00:00Z".to_owned();
        Self { has_role: true, has_tokens: true, authorization: None, expiration, seen: Arc::default() }
    }

    /// Serves at an address, and returns the one that it got.
    pub async fn serve(&self, address: &str) -> SocketAddr {
        let listener = TcpListener::bind(address).await.unwrap();
        let bound = listener.local_addr().unwrap();
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let this = this.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = this.answer(&request);
                    let (method, path) = (request.method(), request.uri().path());
                    this.seen.lock().unwrap().push(format!("{method} {path} {}", answer.status().as_u16()));
                    std::future::ready(Ok::<_, std::convert::Infallible>(answer))
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        bound
    }

    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        match (request.method(), request.uri().path()) {
            (&Method::PUT, "/latest/api/token") if self.has_tokens => {
                match header(TTL)
                    .and_then(|ttl| ttl.parse::<u32>().ok())
                    .filter(|ttl| (1..=21600).contains(ttl))
                {
                    Some(ttl) => {
                        let mut answer = plain(StatusCode::OK, "metadata-token");
                        answer.headers_mut().insert("x-aws-ec2-metadata-token-ttl-seconds", ttl.into());
                        answer
                    }
                    None => plain(StatusCode::BAD_REQUEST, ""),
                }
            }
            (&Method::GET, path) if path.starts_with(ROLES) => {
                if self.has_tokens && header(TOKEN) != Some("metadata-token") {
                    return plain(StatusCode::UNAUTHORIZED, "");
                }
                match path.strip_prefix(ROLES) {
                    Some("") if self.has_role => plain(StatusCode::OK, "node-role"),
                    Some("node-role") if self.has_role => {
                        self.credentials("ASIANODE", "\"Code\":\"Success\",")
                    }
                    _ => plain(StatusCode::NOT_FOUND, ""),
                }
            }
            (&Method::GET, "/v1/credentials") => {
                if header("authorization") == self.authorization.as_deref() {
                    self.credentials("ASIAPOD", "")
                } else {
                    plain(StatusCode::UNAUTHORIZED, r#"{"code":"Unauthorized","message":"hidden"}"#)
                }
            }
            _ => plain(StatusCode::NOT_FOUND, ""),
        }
    }

    fn credentials(&self, id: &str, more: &str) -> Response<Full<Bytes>> {
        let document = format!(
            r#"{{{more}"AccessKeyId":"{id}","SecretAccessKey":"hidden","Token":"hidden","Expiration":"{}"}}"#,
            self.expiration
        );
        plain(StatusCode::OK, &document)
    }
}

fn plain(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body.to_owned()));
    *answer.status_mut() = status;
    answer
}
