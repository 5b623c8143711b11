//! The watch of the `PresignedUrl`s. It fills the cache of objects, and wakes the objects that changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use kube::runtime::watcher::Config;

use super::namespaces::{Listed, WatchScope};
use super::{PAGE, listed, watch_scope};
use crate::controller::context::Context;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::state::objects::ObjectNews;
use crate::domain::stored::resource_version;
use crate::runtime::watch::WatchEvent;
use crate::runtime::{Check, Key};

/// Keeps the cache of objects up to date for as long as the process runs. `ready` passes
/// after the first complete list.
pub async fn reflect(ctx: Arc<Context>, scope: WatchScope, ready: Check) {
    let config = Config::default().page_size(PAGE);
    let mut events = std::pin::pin!(watch_scope::<LeanPresignedUrl>(&ctx, "PresignedUrls", config, &scope));
    let id = scope.id;
    let (mut news, mut cleared) = (Vec::new(), Vec::new());
    while let Some(event) = events.next().await {
        match event {
            WatchEvent::Restarted => {
                ctx.synced.begin(id, Listed::PresignedUrls);
                cleared.extend(ctx.objects.clear(id));
                // Without a watch of Secrets nothing else clears these caches.
                if ctx.reads_by_name() {
                    ctx.issued_secrets.clear(id);
                    ctx.credentials.clear();
                }
            }
            // `news` is kept: what an interrupted list showed is in the cache, and would not be reported
            // as new again.
            WatchEvent::Init => ctx.objects.begin_list(id),
            WatchEvent::InitApply(object) => {
                let (key, is_news) = ctx.objects.observe(&object);
                news.extend((is_news != ObjectNews::Nothing).then_some(key));
            }
            WatchEvent::InitDone => {
                let (gone, is_restored) = ctx.objects.end_list(id);
                for key in gone.into_iter().chain(std::mem::take(&mut cleared)) {
                    gone_for_good(&ctx, &key);
                }
                if is_restored {
                    ctx.restart_watches();
                }
                ready.pass();
                // Objects are woken after the whole list, so that the most urgent of all goes first.
                for key in std::mem::take(&mut news) {
                    ctx.wake(&key);
                }
                listed(&ctx, id, Listed::PresignedUrls);
            }
            WatchEvent::Apply(object) => match ctx.objects.observe(&object) {
                (_, ObjectNews::Nothing) => {}
                (key, ObjectNews::Status | ObjectNews::Object) => drop(ctx.wake(&key)),
            },
            WatchEvent::Denied => {}
            WatchEvent::Delete(object) => {
                let (key, version) = (Key::from(&object), &object.metadata.resource_version);
                if ctx.objects.observe_deleted(&key, resource_version(version.as_deref())) {
                    gone_for_good(&ctx, &key);
                }
            }
        }
    }
}

fn gone_for_good(ctx: &Context, key: &Key) {
    if !ctx.objects.contains(key) {
        ctx.queue.remove(key);
        forget_if_gone(ctx, key);
    }
}

/// Removes all state of an object, if it is gone.
pub fn forget_if_gone(ctx: &Context, key: &Key) {
    if ctx.objects.contains(key) {
        return;
    }
    ctx.histories.remove(key);
    ctx.verifications.forget(key);
    ctx.pods.forget(key, || !ctx.objects.has_any_in(key.namespace()));
    let had_failure = ctx.sessions.forget(key);
    if ctx.signer_users.set(key, None) || had_failure {
        ctx.signers.wake();
    }
    ctx.depend(key, &BTreeSet::new());
    ctx.obstacles.remove(key, u64::MAX);
    if ctx.reads_by_name() {
        // With watches, the watch of our Secrets removes them.
        for (secret, _) in ctx.issued_secrets.written_for(key) {
            ctx.issued_secrets.remove(&secret, u64::MAX);
        }
    }
}
