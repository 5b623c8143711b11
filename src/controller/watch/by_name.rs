//! How Secrets may be read, and what is looked at in place of watches when they may not be
//! listed.
//!
//! With watches every change is told at once. Without them a Secret is read when it is
//! needed: the target of an object once in a term, the credentials before each new URL and
//! every few minutes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use kube::ResourceExt as _;
use tokio::time::Instant;

use crate::controller::context::{Context, SAFETY_NET};
use crate::controller::state::issued_secrets::SecretKey;
use crate::controller::watch::secret_changed;
use crate::domain::stored::resource_version;

/// How soon to look whether a predecessor's Secret has been collected.
const COLLECTION: Duration = Duration::from_secs(5);

/// How Secrets may be read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum SecretAccess {
    /// They may be listed and watched: every change is noticed at once.
    #[default]
    Watch,
    /// Only by name: access keys are read before each new URL and every five minutes.
    Get,
}

/// Looks at every credentials Secret of a scope again and again, for as long as the process
/// lives, and wakes whoever uses one that changed.
pub async fn look_at_credentials(ctx: Arc<Context>, namespace: Option<String>) {
    let mut ticks = tokio::time::interval(SAFETY_NET);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let in_scope = |key: &SecretKey| namespace.as_ref().is_none_or(|n| *n == key.namespace);
        for key in ctx.credentials.keys().into_iter().filter(in_scope) {
            if ctx.leadership.term().is_some() {
                look(&ctx, &key).await;
            }
        }
    }
}

async fn look(ctx: &Context, key: &SecretKey) {
    if ctx.dependents.of(key).is_empty() {
        ctx.credentials.drop_older(key, Instant::now());
        return;
    }
    let Ok(turn) = ctx.turn(i64::MAX).await else { return };
    let seen = ctx.secrets(&key.namespace).get_metadata_opt(&key.name).await;
    drop(turn);
    match seen {
        Ok(secret) => {
            let version = secret.and_then(|secret| secret.resource_version());
            if ctx.credentials.invalidate(key, resource_version(version.as_deref())) {
                secret_changed(ctx, key);
            }
        }
        // Whoever needs it reads it, and reports what comes of that.
        Err(error) => {
            tracing::debug!(namespace = key.namespace, secret = key.name, %error, "cannot look at credentials");
        }
    }
}

/// The term that was seen last; see [`Context::begin_term`].
#[derive(Debug, Default)]
pub struct LastTerm(AtomicU64);

impl Context {
    /// Whether Secrets can only be read by name.
    #[must_use]
    pub fn reads_by_name(&self) -> bool {
        self.secret_access == SecretAccess::Get
    }

    /// Forgets at the beginning of a term what no watch has kept right in between.
    pub fn begin_term(&self, term: u64) {
        if self.reads_by_name() && self.last_term.0.swap(term, Ordering::AcqRel) != term {
            self.facts.clear();
            self.credentials.clear();
        }
    }

    /// When to look for the end of a predecessor's Secret.
    #[must_use]
    pub fn next_look_for_collection(&self) -> Duration {
        if self.reads_by_name() { COLLECTION } else { SAFETY_NET }
    }
}
