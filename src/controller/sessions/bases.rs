//! The sessions that roles are assumed with. The namespaces of a signer share one for some minutes, so that
//! the session of each namespace costs one call of the STS and not two.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use jiff::Timestamp;

use super::requests::begin;
use super::{LEAST_LEFT, SessionFailure};
use crate::controller::context::Context;
use crate::domain::session::SessionKey;
use crate::runtime::lock::Lock;
use crate::sts::Session;

/// How long a session is used to assume roles, in seconds. What changes behind it counts after that time.
const USED: i64 = 300;

/// A request that all who need its answer wait for.
type SharedRequest = Shared<BoxFuture<'static, Result<Session, SessionFailure>>>;

/// The sessions at hand, and those that are being requested.
#[derive(Default)]
pub(super) struct BaseSessions(Lock<HashMap<SessionKey, SharedRequest>>);

impl BaseSessions {
    /// The session, from memory or from the STS. Several that ask at once share one request and its failure.
    pub(super) async fn get(
        &self,
        ctx: &Arc<Context>,
        key: &SessionKey,
        ca_bundle: Option<&String>,
    ) -> Result<Session, SessionFailure> {
        let request = {
            let mut all = self.0.write();
            let now = ctx.clock.now();
            all.retain(|_, request| is_current(request, now));
            all.entry(key.clone())
                .or_insert_with(|| start(ctx.clone(), key.clone(), ca_bundle.cloned()))
                .clone()
        };
        request.await
    }

    /// Forgets a session, unless it is being requested.
    pub(super) fn forget(&self, key: &SessionKey) {
        self.0.write().retain(|known, request| known != key || request.peek().is_none());
    }

    /// Drops the sessions that are used no longer, or all that are at hand.
    pub(super) fn sweep(&self, now: Timestamp, is_leading: bool) {
        self.0
            .write()
            .retain(|_, request| is_current(request, now) && (is_leading || request.peek().is_none()));
    }
}

fn start(ctx: Arc<Context>, key: SessionKey, ca_bundle: Option<String>) -> SharedRequest {
    let request = async move {
        let answer = AssertUnwindSafe(begin(&ctx, &key, ca_bundle.as_deref())).catch_unwind().await;
        answer.unwrap_or_else(|_| {
            ctx.metrics.panicked();
            tracing::error!("a bug in the operator stopped the request of a session to assume a role with");
            Err(SessionFailure::Bug)
        })
    };
    request.boxed().shared()
}

/// Whether a request is under way, or its session may still be used.
fn is_current(request: &SharedRequest, now: Timestamp) -> bool {
    match request.peek() {
        None => true,
        Some(Err(_)) => false,
        Some(Ok(session)) => {
            let age = now.as_second() - session.begun.as_second();
            (0..USED).contains(&age) && session.left(now) >= LEAST_LEFT
        }
    }
}
