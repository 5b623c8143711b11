//! The watch of the Secrets that carry our label. It fills the cache of issued Secrets, and wakes the
//! objects that the Secrets were written for.

use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::core::ObjectMeta;
use kube::runtime::watcher::Config;

use super::namespaces::{Listed, WatchScope};
use super::{PAGE, key, listed, wake_owner, watch_scope};
use crate::controller::context::Context;
use crate::controller::state::issued_secrets::SecretNews;
use crate::crd::names::{LABEL_MANAGED, MANAGED};
use crate::domain::Stored;
use crate::domain::stored::resource_version;
use crate::runtime::watch::WatchEvent;
use crate::runtime::{Check, Key};

/// Keeps the cache of our Secrets up to date for as long as the process runs. `ready` passes
/// after the first complete list.
pub async fn reflect(ctx: Arc<Context>, scope: WatchScope, ready: Check) {
    let config = Config::default().labels(&format!("{LABEL_MANAGED}={MANAGED}")).page_size(PAGE);
    let mut events = std::pin::pin!(watch_scope::<Secret>(&ctx, "our Secrets", config, &scope));
    let id = scope.id;
    while let Some(event) = events.next().await {
        match event {
            WatchEvent::Restarted => {
                ctx.synced.begin(id, Listed::IssuedSecrets);
                ctx.issued_secrets.clear(id);
            }
            WatchEvent::Init => ctx.issued_secrets.begin_list(id),
            WatchEvent::InitApply(secret) | WatchEvent::Apply(secret) => {
                appeared(&ctx, &key(&secret.metadata), &secret);
            }
            WatchEvent::InitDone => {
                let (gone, is_restored) = ctx.issued_secrets.end_list(id);
                for (key, owner) in gone {
                    ctx.credentials.invalidate(&key, 0);
                    wake_owner(&ctx, &key, owner.as_deref());
                    ctx.wake_dependents(&key);
                }
                if is_restored {
                    ctx.restart_watches();
                }
                ready.pass();
                listed(&ctx, id, Listed::IssuedSecrets);
            }
            WatchEvent::Denied => {}
            WatchEvent::Delete(secret) => disappeared(&ctx, &secret.metadata),
        }
    }
}

fn appeared(ctx: &Context, key: &Key, secret: &Secret) {
    let version = resource_version(secret.metadata.resource_version.as_deref());
    let is_credentials = ctx.credentials.invalidate(key, version);
    ctx.obstacles.remove(key, version.saturating_sub(1));
    // Most versions that the watch shows are known from the answers to our own writes.
    if !ctx.issued_secrets.confirm(key, version) {
        let stored = Stored::read(secret);
        let owner = stored.owner.clone();
        let before = match ctx.issued_secrets.observe(key, stored) {
            SecretNews::Nothing => return,
            SecretNews::New => None,
            SecretNews::Changed(before) => before,
        };
        for owner in [owner, before].into_iter().flatten() {
            wake_owner(ctx, key, Some(&owner));
        }
        wake_owner(ctx, key, None);
        ctx.wake_dependents(key);
    } else if is_credentials {
        ctx.wake_dependents(key);
    }
}

fn disappeared(ctx: &Context, metadata: &ObjectMeta) {
    let (key, version) = (key(metadata), resource_version(metadata.resource_version.as_deref()));
    ctx.credentials.invalidate(&key, 0);
    let gone = ctx.issued_secrets.observe_deleted(&key, version);
    wake_owner(ctx, &key, gone.and_then(|gone| gone.owner).as_deref());
    ctx.wake_dependents(&key);
}
