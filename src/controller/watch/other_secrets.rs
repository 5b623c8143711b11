//! The watch of the metadata of all other Secrets. It wakes the objects that depend on a Secret that
//! changed. A Secret that no object depends on is not kept.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher::Config;

use super::by_name::check_all;
use super::namespaces::WatchScope;
use super::{PAGE_OF_METADATA, key, wake_owner, watch_scope};
use crate::controller::context::Context;
use crate::crd::names::{LABEL_MANAGED, MANAGED};
use crate::domain::stored::resource_version;
use crate::runtime::watch::WatchEvent;
use crate::runtime::{Check, Key};

/// Keeps what depends on other Secrets up to date for as long as the process runs. `ready` passes
/// after the first complete list.
pub async fn reflect(ctx: Arc<Context>, scope: WatchScope, ready: Check) {
    // Helm releases are large and service account tokens are many. Neither can hold an access key.
    let config = Config::default()
        .labels(&format!("{LABEL_MANAGED}!={MANAGED}"))
        .page_size(PAGE_OF_METADATA)
        .fields("type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token");
    let mut events =
        std::pin::pin!(watch_scope::<PartialObjectMeta<Secret>>(&ctx, "other Secrets", config, &scope));
    let mut listed = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            WatchEvent::Restarted => {
                ctx.obstacles.clear(scope.id);
                ctx.credentials.clear();
            }
            WatchEvent::Init => listed.clear(),
            WatchEvent::InitApply(secret) => {
                listed.insert(key(&secret.metadata));
                changed(&ctx, &secret);
            }
            WatchEvent::InitDone => {
                unlisted(&ctx, &scope, &std::mem::take(&mut listed));
                ready.pass();
            }
            WatchEvent::Apply(secret) => changed(&ctx, &secret),
            // Objects that use no ClusterSigner do not wait for a permission in the signer namespace.
            // Their credentials are then read by name, each time that the watch is tried again.
            WatchEvent::Denied => {
                if ctx.scopes.of_signers().is_some_and(|(id, _)| id == scope.id) {
                    ready.pass();
                    check_all(&ctx, scope.id).await;
                }
            }
            WatchEvent::Delete(secret) => disappeared(&ctx, &secret.metadata),
        }
    }
}

/// Invalidates the credentials and obstacles that a complete list did not show.
fn unlisted(ctx: &Context, scope: &WatchScope, listed: &HashSet<Key>) {
    let is_gone = |key: &Key| ctx.scopes.of(key) == scope.id && !listed.contains(key);
    for key in ctx.credentials.keys().into_iter().filter(is_gone) {
        if ctx.credentials.invalidate(&key, 0) {
            ctx.wake_dependents(&key);
        }
    }
    // An obstacle of a type that the list leaves out is read again, once.
    for key in ctx.obstacles.keys(scope.id).into_iter().filter(is_gone) {
        if ctx.obstacles.remove(&key, u64::MAX) {
            wake_owner(ctx, &key, None);
            ctx.wake_dependents(&key);
        }
    }
}

fn changed(ctx: &Context, secret: &PartialObjectMeta<Secret>) {
    let key = key(&secret.metadata);
    let version = resource_version(secret.metadata.resource_version.as_deref());
    let is_credentials = ctx.credentials.invalidate(&key, version);
    let is_obstacle = ctx.obstacles.remove(&key, version.saturating_sub(1));
    // Our label was removed. The watch of our Secrets shows that as a deletion, perhaps later.
    let was_ours = ctx.issued_secrets.remove(&key, version.saturating_sub(1));
    if is_credentials || is_obstacle || was_ours {
        ctx.wake_dependents(&key);
        wake_owner(ctx, &key, None);
    }
}

fn disappeared(ctx: &Context, metadata: &ObjectMeta) {
    let (key, version) = (key(metadata), resource_version(metadata.resource_version.as_deref()));
    ctx.credentials.invalidate(&key, 0);
    ctx.obstacles.remove(&key, version);
    wake_owner(ctx, &key, None);
    ctx.wake_dependents(&key);
}
