//! Lists the pods of the namespaces that are due, a few namespaces at a time.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::list::list_pods;
use super::schedule::Round;
use super::set_refused;
use crate::controller::context::Context;
use crate::controller::reconcile::error::is_code;
use crate::controller::watch::wake_owner;
use crate::runtime::Key;
use crate::runtime::clock::sleep_until;

/// How many namespaces are listed at a time.
const IN_FLIGHT: usize = 2;

/// Lists the pods of namespaces when they are due, for as long as the process runs.
pub async fn list_when_due(ctx: Arc<Context>) {
    let mut lists = FuturesUnordered::new();
    loop {
        let mut next = None;
        while lists.len() < IN_FLIGHT {
            match ctx.pods.next_round() {
                Ok(round) => lists.push(run_round(&ctx, round)),
                Err(due) => {
                    next = due;
                    break;
                }
            }
        }
        tokio::select! {
            Some(()) = lists.next() => {}
            () = sleep_until(next) => {}
            () = ctx.pods.due.notified() => {}
        }
    }
}

async fn run_round(ctx: &Context, round: Round) {
    let namespace = &*round.namespace;
    match list_pods(ctx, &round).await {
        Ok(found) => {
            ctx.metrics.listed_pods("done");
            if ctx.pods.is_refused(namespace, "list") {
                set_refused(ctx, namespace, None);
            }
            wake(ctx, ctx.pods.learn(&round, found.stale));
            wake_unchecked(ctx, namespace);
            ctx.pods.annotations.add(namespace, found.running);
        }
        Err(error) => {
            let is_forbidden = is_code(&error, 403);
            ctx.metrics.listed_pods(if is_forbidden { "forbidden" } else { "failed" });
            tracing::debug!(namespace, is_forbidden, "cannot list pods");
            wake(ctx, ctx.pods.failed(&round, is_forbidden));
            if is_forbidden {
                wake_unchecked(ctx, namespace);
                set_refused(ctx, namespace, Some("list"));
            }
        }
    }
}

/// Wakes the objects that report what an earlier process found.
fn wake_unchecked(ctx: &Context, namespace: &str) {
    for key in ctx.pods.take_unchecked(namespace) {
        ctx.wake(&key);
    }
}

/// Wakes the owners of Secrets whose users changed.
fn wake(ctx: &Context, news: Vec<Key>) {
    for key in news {
        let owner = ctx.issued_secrets.get(&key).and_then(|stored| stored.owner);
        wake_owner(ctx, &key, owner.as_deref());
    }
}
