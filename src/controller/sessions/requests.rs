//! Requests sessions from an STS, beside the reconciles.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::tokens::token;
use super::{SessionFailure, WantedSession};
use crate::controller::caught::caught;
use crate::controller::context::Context;
use crate::domain::Credentials;
use crate::domain::session::{SessionKey, SessionSource};
use crate::runtime::Key;
use crate::sts::Session;

/// How often the sessions that have expired are dropped.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Requests the sessions that reconciles ask for, for as long as the process runs.
pub async fn request_sessions(ctx: Arc<Context>) {
    let (mut running, mut sweeps) = (JoinSet::new(), tokio::time::interval(SWEEP_INTERVAL));
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            wanted = ctx.sessions.next_wanted() => drop(running.spawn(serve(ctx.clone(), wanted))),
            Some(ended) = running.join_next() => if ended.is_err() { ctx.metrics.panicked() },
            _ = sweeps.tick() => ctx.sessions.sweep(ctx.clock.now(), ctx.leadership.term().is_some()),
        }
    }
}

/// Requests one session, and wakes the objects that use it.
async fn serve(ctx: Arc<Context>, wanted: WantedSession) {
    let kind = wanted.key.source.kind();
    let request = async {
        let answer = request(&ctx, &wanted).await;
        ctx.metrics.session(kind, answer.as_ref().err().map(SessionFailure::reason));
        if let Err(failure) = &answer {
            tracing::debug!(owner = wanted.flow, source = kind, "{failure}");
        }
        answer
    };
    let answer = caught(&ctx.metrics, request, || {
        tracing::error!(owner = wanted.flow, "a bug in the operator stopped the request of a session");
        Err(SessionFailure::Bug)
    })
    .await;
    let now = ctx.clock.now();
    for user in ctx.sessions.answered(&wanted, answer, now) {
        ctx.wake(&user);
    }
    ctx.signers.wake();
}

/// Requests a session, and before it the one that its role is assumed with, unless that is at hand.
async fn request(ctx: &Arc<Context>, wanted: &WantedSession) -> Result<Session, SessionFailure> {
    let WantedSession { key, base, ca_bundle, .. } = wanted;
    let client = ctx.sessions.client(ctx, key);
    if let Some(base_key) = key.base() {
        let base = ctx.sessions.bases.get(ctx, client, &base_key, ca_bundle.as_ref()).await?;
        let answer = assume(ctx, wanted, &base.credentials).await;
        if let Err(SessionFailure::Sts { failure, .. }) = &answer
            && failure.is_of_credentials()
        {
            // The next attempt begins with another one.
            ctx.sessions.bases.refused(&base_key);
        }
        return answer;
    }
    match base {
        Some(base) => assume(ctx, wanted, base).await,
        None => begin(ctx, client, key, ca_bundle.as_deref()).await,
    }
}

/// Requests the session of an identity: a ServiceAccount, whose token is requested with `client`, or the
/// operator's own.
pub(super) async fn begin(
    ctx: &Context,
    client: &Client,
    key: &SessionKey,
    ca_bundle: Option<&str>,
) -> Result<Session, SessionFailure> {
    let now = || ctx.clock.now();
    let answer = match (&key.source, key.sts_request(ca_bundle)) {
        (SessionSource::ServiceAccount { namespace, name, uid, audience, role_arn }, Some(sts_request)) => {
            let account = Key::new(namespace, name);
            ctx.sessions.accounts.confirm(ctx, &account, uid, role_arn.as_deref()).await?;
            let token = token(ctx, client, &account, uid, audience).await?;
            ctx.sts.with_web_identity(&sts_request, &token, now).await
        }
        (SessionSource::Ambient, None) => ctx.sts.ambient(now).await,
        _ => return Err(SessionFailure::Bug),
    };
    answer.map_err(|failure| SessionFailure::of_sts(failure, &key.source))
}

/// Assumes the role with an access key or with another session.
async fn assume(
    ctx: &Context,
    wanted: &WantedSession,
    base: &Credentials,
) -> Result<Session, SessionFailure> {
    let WantedSession { key, ca_bundle, .. } = wanted;
    let sts_request = key.sts_request(ca_bundle.as_deref()).ok_or(SessionFailure::Bug)?;
    let answer = ctx.sts.with_credentials(&sts_request, base, || ctx.clock.now()).await;
    answer.map_err(|failure| SessionFailure::of_sts(failure, &key.source))
}
