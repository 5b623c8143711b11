//! Requests sessions from an STS, beside the reconciles.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::tokens::token;
use super::{SessionFailure, WantedSession};
use crate::controller::context::Context;
use crate::domain::Credentials;
use crate::domain::session::{Hop, SessionKey, SessionSource};
use crate::runtime::Key;
use crate::sts::Session;

/// How often the sessions that have expired are dropped.
const SWEEP: Duration = Duration::from_secs(60);

/// Requests the sessions that reconciles ask for, for as long as the process runs.
pub async fn request_sessions(ctx: Arc<Context>) {
    let (mut running, mut sweeps) = (JoinSet::new(), tokio::time::interval(SWEEP));
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            wanted = ctx.sessions.next_wanted() => drop(running.spawn(serve(ctx.clone(), wanted))),
            Some(_) = running.join_next() => {}
            _ = sweeps.tick() => ctx.sessions.sweep(ctx.clock.now(), ctx.leadership.term().is_some()),
        }
    }
}

/// Requests one session, and wakes the objects that use it.
async fn serve(ctx: Arc<Context>, wanted: WantedSession) {
    let kind = wanted.key.source.kind();
    let answer = AssertUnwindSafe(request(&ctx, &wanted)).catch_unwind().await;
    let answer = answer.unwrap_or_else(|_| {
        ctx.metrics.panicked();
        tracing::error!(owner = wanted.turn, "a bug in the operator stopped the request of a session");
        Err(SessionFailure::Bug)
    });
    ctx.metrics.session(kind, answer.as_ref().err().map(SessionFailure::reason));
    if let Err(failure) = &answer {
        tracing::debug!(owner = wanted.turn, source = kind, "{failure}");
    }
    let now = ctx.clock.now();
    for user in ctx.sessions.answered(&wanted, answer, now) {
        ctx.wake(&user);
    }
    ctx.signers.wake();
}

async fn request(ctx: &Context, wanted: &WantedSession) -> Result<Session, SessionFailure> {
    let WantedSession { key, base, ca_bundle, .. } = wanted;
    let mut hops = key.hops(ca_bundle.as_deref()).into_iter();
    let now = || ctx.clock.now();
    let mut session = match (&key.source, base) {
        (SessionSource::ServiceAccount { namespace, name, audience, .. }, _) => {
            let hop = hops.next().ok_or(SessionFailure::Bug)?;
            let account = Key::new(namespace, name);
            let token = token(ctx, &account, audience).await?;
            let answer = ctx.sts.with_web_identity(&hop, &token, now).await;
            answer.map_err(|failure| SessionFailure::of_sts(failure, &key.source))?
        }
        (SessionSource::Ambient, _) => {
            let answer = ctx.sts.ambient(now).await;
            answer.map_err(|failure| SessionFailure::of_sts(failure, &key.source))?
        }
        (SessionSource::Secret { .. }, Some(base)) => {
            let hop = hops.next().ok_or(SessionFailure::Bug)?;
            assume(ctx, key, &hop, base).await?
        }
        (SessionSource::Secret { .. }, None) => return Err(SessionFailure::Bug),
    };
    for hop in hops {
        let base = session.credentials;
        session = assume(ctx, key, &hop, &base).await?;
    }
    Ok(session)
}

async fn assume(
    ctx: &Context,
    key: &SessionKey,
    hop: &Hop,
    base: &Credentials,
) -> Result<Session, SessionFailure> {
    let now = || ctx.clock.now();
    let answer = ctx.sts.with_credentials(hop, base, now).await;
    answer.map_err(|failure| SessionFailure::of_sts(failure, &key.source))
}
