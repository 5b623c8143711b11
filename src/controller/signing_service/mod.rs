//! The signing service: signs the URLs of CSI volumes that use a signer, so that the key of a signer never
//! reaches a node.
//!
//! The driver sends the token of the pod. The API server says which pod that is, and whether its
//! ServiceAccount may use the signer; the rest is judged as for a `PresignedUrl`. Every replica serves.
//!
//! Not here: the connections and TLS (`runtime/server`), and what the driver does with the answer (`csi`).

mod admission;
mod body;
mod failure;
mod pod;
mod shares;
mod sign;
mod wanted_urls;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use serde::Serialize;
use tokio::time::timeout;

use self::admission::Admission;
use self::failure::SigningFailure;
pub use self::failure::SigningResult;
use self::pod::{NoPod, RequestingPod};
use crate::controller::caught::caught;
use crate::controller::context::Context;
use crate::domain::signer::SignerId;
use crate::domain::volume::{SIGNING_AUDIENCE, SIGNING_PATH, SigningAnswer, SigningRefusal};
use crate::runtime::Answers;
use crate::runtime::reviews::{Refusal, ReviewKey, ReviewSettings, Reviewer, bearer, is_allowed, review_of};

/// How long a request may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// A deleted pod and a permission that was taken away count for that much longer.
const COUNTS_FOR: Duration = Duration::from_secs(5);
const REVIEWS: ReviewSettings = ReviewSettings {
    granted_for: COUNTS_FOR,
    refused_for: COUNTS_FOR,
    most_verdicts: 4096,
    at_once: 16,
    of_peer: 4,
    purpose: "who may have URLs signed",
};

/// Signs the URLs of CSI volumes. Cheap to clone.
#[derive(Clone)]
pub struct SigningService(Arc<SigningParts>);

struct SigningParts {
    ctx: Arc<Context>,
    tokens: Reviewer<Result<Arc<RequestingPod>, NoPod>>,
    uses: Reviewer<()>,
    admission: Admission,
}

impl fmt::Debug for SigningService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningService")
    }
}

impl Answers for SigningService {
    /// The handshake and the rest of a body that is not needed come on top of a request.
    const CONNECTION_TIMEOUT: Duration = Duration::from_secs(25);
    const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

    async fn serve_request(&self, peer: IpAddr, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, mut body) = request.into_parts();
        let answer = async {
            let answer = timeout(DEADLINE, self.answer(peer, &head, &mut body)).await;
            answer.unwrap_or_else(|_| {
                let message = "the API server, the STS or other requests take long: this is tried again";
                Err(SigningFailure::new(SigningResult::Unavailable, message))
            })
        };
        let answer = caught(&self.0.ctx.metrics, answer, || {
            tracing::error!("a bug in the operator stopped a signing request");
            let message =
                "a bug in the operator stopped the request: report it with the line from the operator's log";
            Err(SigningFailure::new(SigningResult::InternalError, message))
        })
        .await;
        let result = answer.as_ref().map_or_else(|failure| failure.result, |_| SigningResult::Signed);
        self.0.ctx.metrics.signing_request(result);
        match answer {
            Ok(answer) => respond(result, &answer),
            Err(failure) => {
                tracing::debug!(result = <&str>::from(result), "a signing request was refused");
                body::discard(&mut body).await;
                respond(result, &SigningRefusal::from(failure))
            }
        }
    }
}

impl SigningService {
    pub(super) fn new(ctx: Arc<Context>) -> Self {
        Self(Arc::new(SigningParts {
            ctx,
            tokens: Reviewer::new(REVIEWS),
            uses: Reviewer::new(REVIEWS),
            admission: Admission::default(),
        }))
    }

    async fn answer(
        &self,
        peer: IpAddr,
        head: &Parts,
        body: &mut Incoming,
    ) -> Result<SigningAnswer, SigningFailure> {
        if head.method != Method::POST || head.uri.path() != SIGNING_PATH {
            let message = format!("the operator answers only POST {SIGNING_PATH} at this port");
            return Err(SigningFailure::new(SigningResult::Invalid, message));
        }
        let token = bearer(&head.headers);
        let pod = self.pod(peer, token).await?;
        let _admitted = self.0.admission.admit(&pod).await?;
        let request = body::read(body).await?;
        let signer = wanted_urls::named_signer(&request, &pod.namespace)?;
        self.require_use(peer, token, &pod, &signer).await?;
        let _working = self.0.admission.admit_for(&signer).await?;
        let signed = sign::sign(&self.0.ctx, &pod, &signer, &request).await?;
        for spec in request.urls.values() {
            let RequestingPod { namespace, name, node, .. } = &*pod;
            tracing::debug!(namespace, pod = name, node, %signer, key = spec.key, "signed a URL of a volume");
        }
        Ok(SigningAnswer::from(&signed))
    }

    /// The pod that a token belongs to. The API server knows whether it is still there.
    async fn pod(&self, peer: IpAddr, token: Option<&str>) -> Result<Arc<RequestingPod>, SigningFailure> {
        let refused = |message: &str| SigningFailure::new(SigningResult::Unauthenticated, message);
        let token = token.ok_or_else(|| refused("send the token of the pod: Authorization: Bearer TOKEN"))?;
        let ask = || {
            let (client, token) = (self.0.ctx.unfenced.clone(), token.to_owned());
            async move {
                let status = review_of(&client, &token, Some(SIGNING_AUDIENCE)).await?;
                if status.authenticated != Some(true) {
                    return Ok(Err(Refusal::Unauthenticated));
                }
                Ok(Ok(RequestingPod::of(status).map(Arc::new)))
            }
        };
        match self.0.tokens.judge(peer, ReviewKey::of(&[token]), ask).await {
            Ok(pod) => pod.map_err(|lack| refused(&lack.to_string())),
            Err(Refusal::Unavailable) => Err(unasked()),
            Err(Refusal::Unauthenticated | Refusal::Forbidden) => Err(refused(
                "the API server does not accept the token: it must be that of a pod that runs, with the audience presign.dev, and must not have expired",
            )),
        }
    }

    /// Requires that the ServiceAccount of a pod may use a signer.
    async fn require_use(
        &self,
        peer: IpAddr,
        token: Option<&str>,
        pod: &RequestingPod,
        signer: &SignerId,
    ) -> Result<(), SigningFailure> {
        let key = ReviewKey::of(&[&signer.kind.to_string(), &signer.name, token.unwrap_or_default()]);
        let ask = || {
            let (client, review) = (self.0.ctx.unfenced.clone(), pod.use_of(signer));
            async move {
                let is_allowed = is_allowed(&client, review).await?;
                Ok(if is_allowed { Ok(()) } else { Err(Refusal::Forbidden) })
            }
        };
        self.0.uses.judge(peer, key, ask).await.map_err(|refusal| match refusal {
            Refusal::Unavailable => unasked(),
            Refusal::Unauthenticated | Refusal::Forbidden => {
                SigningFailure::new(SigningResult::Forbidden, pod.missing_use(signer))
            }
        })
    }
}

fn unasked() -> SigningFailure {
    let message = "the API server cannot be asked about the pod now: this is tried again";
    SigningFailure::new(SigningResult::Unavailable, message)
}

fn respond(result: SigningResult, answer: &impl Serialize) -> Response<Full<Bytes>> {
    // It has nothing that JSON cannot hold.
    let body = serde_json::to_vec(answer).unwrap_or_default();
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = result.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match result {
        SigningResult::Unauthenticated => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        }
        SigningResult::RateLimited | SigningResult::Unavailable => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))
        }
        _ => None,
    };
    response
}
