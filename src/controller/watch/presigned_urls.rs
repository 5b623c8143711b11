//! The watch of the `PresignedUrl`s. It fills the cache of objects, and wakes the objects that changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use kube::runtime::watcher::Config;

use super::namespaces::{Listed, WatchScope};
use super::{PAGE, listed, stream};
use crate::controller::context::Context;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::state::objects::ObjectNews;
use crate::domain::stored::resource_version;
use crate::runtime::watch::WatchEvent;
use crate::runtime::{Check, Key};

/// Watches the objects for as long as the process runs. `ready` passes after the first complete list.
pub async fn watch(ctx: Arc<Context>, place: WatchScope, ready: Check) {
    let config = Config::default().page_size(PAGE);
    let mut events = std::pin::pin!(stream::<LeanPresignedUrl>(&ctx, "PresignedUrls", config, &place));
    let scope = place.scope;
    let (mut news, mut cleared) = (Vec::new(), Vec::new());
    while let Some(event) = events.next().await {
        match event {
            WatchEvent::Restarted => {
                ctx.synced.begin(scope, Listed::PresignedUrls);
                cleared.extend(ctx.objects.clear(scope));
                // Without a watch of Secrets nothing else clears these caches.
                if ctx.reads_by_name() {
                    ctx.issued_secrets.clear(scope);
                    ctx.credentials.clear();
                }
            }
            // `news` is kept: what an interrupted list showed is in the cache, and would not be reported
            // as new again.
            WatchEvent::Init => ctx.objects.begin_list(scope),
            WatchEvent::InitApply(object) => {
                let (key, is_news) = ctx.objects.observe(&object);
                news.extend((is_news != ObjectNews::Nothing).then_some(key));
            }
            WatchEvent::InitDone => {
                let (gone, went_back) = ctx.objects.end_list(scope);
                for key in gone.into_iter().chain(std::mem::take(&mut cleared)) {
                    gone_for_good(&ctx, &key);
                }
                if went_back {
                    ctx.begin_watches_anew();
                }
                ready.pass();
                // Objects are woken after the whole list, so that the most urgent of all goes first.
                for key in std::mem::take(&mut news) {
                    ctx.wake(&key);
                }
                listed(&ctx, scope, Listed::PresignedUrls);
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
