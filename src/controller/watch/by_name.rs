//! How Secrets may be read, and what replaces the watches of Secrets when they may not be listed.
//!
//! With watches, every change of a Secret wakes objects at once. Without them, a Secret is read when it
//! is needed: the target of an object once in a term, the credentials before each new URL and every
//! five minutes.

use std::sync::Arc;

use clap::ValueEnum;
use kube::ResourceExt as _;

use crate::controller::context::{Context, SAFETY_NET};
use crate::controller::state::scopes::Scope;
use crate::domain::stored::resource_version;
use crate::runtime::Key;

/// How the operator reads Secrets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum SecretAccess {
    /// List and watch Secrets: every change is noticed at once.
    #[default]
    Watch,
    /// Read Secrets only by name: access keys are read before each new URL and every five minutes.
    Get,
}

/// Checks every credentials Secret of a scope every five minutes, for as long as the process runs, and
/// wakes the objects that depend on one that changed.
pub async fn check_credentials(ctx: Arc<Context>, scope: Scope) {
    let mut ticks = tokio::time::interval(SAFETY_NET);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        check_all(&ctx, scope).await;
    }
}

/// Checks every credentials Secret of a scope once.
pub(super) async fn check_all(ctx: &Context, scope: Scope) {
    let in_scope = |key: &Key| ctx.scopes.of(key) == scope;
    for key in ctx.credentials.keys().into_iter().filter(in_scope) {
        if ctx.leadership.term().is_some() {
            check(ctx, &key).await;
        }
    }
}

async fn check(ctx: &Context, key: &Key) {
    if !ctx.dependents.has_any(key) {
        return ctx.credentials.shrink(&ctx.dependents, key);
    }
    let seen = {
        let _permit = ctx.limiter.permit().await;
        ctx.secrets(key.namespace()).get_metadata_opt(key.name()).await
    };
    match seen {
        Ok(secret) => {
            let version = secret.and_then(|secret| secret.resource_version());
            if ctx.credentials.invalidate(key, resource_version(version.as_deref())) {
                ctx.wake_dependents(key);
            }
        }
        // A reconcile that needs the Secret reads it, and reports the failure.
        Err(error) => {
            tracing::debug!(namespace = key.namespace(), secret = key.name(), %error, "cannot read the credentials Secret");
        }
    }
}

impl Context {
    /// Whether Secrets are read by name, because they may not be listed.
    #[must_use]
    pub fn reads_by_name(&self) -> bool {
        self.secret_access == SecretAccess::Get
    }
}
