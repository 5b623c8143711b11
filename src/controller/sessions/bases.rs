//! The sessions that roles are assumed with. The namespaces of a signer share one for some minutes, so that
//! the session of each namespace costs one call of the STS and not two.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use jiff::Timestamp;
use kube::Client;

use super::SessionFailure;
use super::failed_request::FailedRequest;
use super::requests::begin;
use crate::controller::caught::caught;
use crate::controller::context::Context;
use crate::domain::session::SessionKey;
use crate::runtime::lock::Lock;
use crate::sts::Session;

/// How long a session is used to assume roles, in seconds. What changes behind it counts after that time.
const BASE_TTL: i64 = 300;
/// How long a session must last to assume a role with it, in seconds.
const LEAST_LEFT: i64 = 60;
/// How long a failure is known after its backoff, in seconds, so that the next backoff is longer.
const FAILURE_TTL: i64 = 120;

/// A request that all who need its answer wait for. A failure comes with its backoff.
type SharedRequest = Shared<BoxFuture<'static, Result<Session, FailedRequest>>>;

/// The sessions at hand, those that are being requested, and those that could not be got.
#[derive(Default)]
pub(super) struct BaseSessions(Lock<HashMap<SessionKey, SharedRequest>>);

impl BaseSessions {
    /// The session, from memory or from the STS. Several that ask at once share one request, and its failure
    /// until its backoff is over.
    pub(super) async fn get(
        &self,
        ctx: &Arc<Context>,
        client: &Client,
        key: &SessionKey,
        ca_bundle: Option<&Arc<str>>,
    ) -> Result<Session, SessionFailure> {
        let request = {
            let mut all = self.0.write();
            let now = ctx.clock.now();
            let held = all.get(key).map(|request| (request.clone(), failures_before_next(request, now)));
            match held {
                Some((request, None)) => request,
                held => {
                    let failures = held.and_then(|(_, failures)| failures).unwrap_or(0);
                    let request =
                        start(ctx.clone(), client.clone(), key.clone(), ca_bundle.cloned(), failures);
                    all.insert(key.clone(), request.clone());
                    request
                }
            }
        };
        request.await.map_err(|failed| failed.failure)
    }

    /// Forgets a session that the STS does not accept, unless another one is being requested.
    pub(super) fn refused(&self, key: &SessionKey) {
        self.0.write().retain(|known, request| known != key || !matches!(request.peek(), Some(Ok(_))));
    }

    /// Drops the sessions that are used no longer, or all that are at hand.
    pub(super) fn sweep(&self, now: Timestamp, is_leading: bool) {
        self.0.write().retain(|_, request| {
            request.peek().is_none() || is_leading && failures_before_next(request, now) != Some(0)
        });
    }
}

fn start(
    ctx: Arc<Context>,
    client: Client,
    key: SessionKey,
    ca_bundle: Option<Arc<str>>,
    failures: u32,
) -> SharedRequest {
    let request = async move {
        let answer = caught(&ctx.metrics, begin(&ctx, &client, &key, ca_bundle.as_deref()), || {
            tracing::error!("a bug in the operator stopped the request of a session to assume a role with");
            Err(SessionFailure::Bug)
        });
        let answer = answer.await;
        answer.map_err(|failure| FailedRequest::new(failure, failures + 1, ctx.clock.now()))
    };
    request.boxed().shared()
}

/// How many requests failed one after another before the next, if it is time for one; `None` while the answer to
/// this one counts for all who ask.
fn failures_before_next(request: &SharedRequest, now: Timestamp) -> Option<u32> {
    match request.peek() {
        None => None,
        Some(Ok(session)) => {
            let age = now.as_second() - session.begun.as_second();
            let is_current = (0..BASE_TTL).contains(&age) && session.left(now) >= LEAST_LEFT;
            if is_current { None } else { Some(0) }
        }
        // Whoever leads next asks again.
        Some(Err(failed)) if failed.failure == SessionFailure::NotLeading => Some(0),
        Some(Err(failed)) if failed.is_on(now) => None,
        Some(Err(failed)) if failed.is_known(FAILURE_TTL, now) => Some(failed.count),
        Some(Err(_)) => Some(0),
    }
}
