//! Runs the passes: a bounded number at a time, the most urgent object first.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};

use crate::controller::TICK;
use crate::controller::context::Context;
use crate::controller::reconcile::reconcile;
use crate::runtime::Probes;
use crate::runtime::key::Key;

/// How long a shutdown waits for passes in flight.
const DRAIN: Duration = Duration::from_secs(20);

/// Runs `width` passes at a time until `stop` resolves and those in flight have ended
/// (20 s at most).
pub async fn run(
    ctx: Arc<Context>,
    width: usize,
    probes: Probes,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let mut passes = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            key = ctx.queue.next(|key| ctx.urgency(key)), if passes.len() < width => {
                passes.spawn(pass(ctx.clone(), key));
            }
            Some(ended) = passes.join_next() => carry_on(ended),
            _ = tick.tick() => probes.beat(),
            () = &mut stop => break,
        }
    }
    ctx.gate.close();
    let ended = async {
        while let Some(ended) = passes.join_next().await {
            carry_on(ended);
        }
    };
    if tokio::time::timeout(DRAIN, ended).await.is_err() {
        tracing::warn!("passes still under way after {}s are left behind", DRAIN.as_secs());
    }
}

async fn pass(ctx: Arc<Context>, key: Key) {
    let wait = match ctx.objects.get(&key) {
        Some(object) => reconcile(object, ctx.clone()).await,
        None => None,
    };
    ctx.queue.done(key, wait);
}

/// A pass that panicked is a bug that must not go on unseen.
fn carry_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}
