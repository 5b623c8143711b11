//! The watch of the `PresignedUrl`s: what it shows is kept, and wakes the objects that changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use kube::runtime::watcher::Config;

use super::namespaces::{Listed, Place};
use super::{PAGE, everyone, stream};
use crate::controller::context::Context;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::state::objects::News;
use crate::domain::stored::resource_version;
use crate::runtime::watch::WatchEvent;
use crate::runtime::{Check, Key};

/// Follows the objects for as long as the process lives. `ready` passes after the first complete
/// list.
pub async fn follow(ctx: Arc<Context>, place: Place, ready: Check) {
    let config = Config::default().page_size(PAGE);
    let mut events = std::pin::pin!(stream::<LeanPresignedUrl>(&ctx, "PresignedUrls", config, &place));
    let scope = place.scope;
    let (mut news, mut cleared) = (Vec::new(), Vec::new());
    while let Some(event) = events.next().await {
        match event {
            WatchEvent::Restarted => {
                ctx.synced.begin(scope, Listed::PresignedUrls);
                cleared.extend(ctx.objects.clear(scope));
                // No watch of Secrets does that here.
                if ctx.reads_by_name() {
                    ctx.issued_secrets.clear(scope);
                    ctx.credentials.clear();
                }
            }
            // What a list that broke off had shown is known since, and would be no news again.
            WatchEvent::Init => ctx.objects.begin_list(scope),
            WatchEvent::InitApply(object) => {
                let (key, is_news) = ctx.objects.observe(&object);
                news.extend((is_news != News::Nothing).then_some(key));
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
                // Only now, so that the most urgent of all goes first.
                for key in std::mem::take(&mut news) {
                    ctx.wake(&key);
                }
                if ctx.synced.complete(scope, Listed::PresignedUrls) {
                    everyone(&ctx, scope);
                }
            }
            WatchEvent::Apply(object) => match ctx.objects.observe(&object) {
                (_, News::Nothing) => {}
                (key, News::Status | News::Object) => drop(ctx.wake(&key)),
            },
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

/// Forgets what was kept for an object, if it is gone.
pub fn forget_if_gone(ctx: &Context, key: &Key) {
    if ctx.objects.contains(key) {
        return;
    }
    ctx.histories.remove(key);
    ctx.depend(key, &BTreeSet::new());
    ctx.obstacles.remove(key, u64::MAX);
    if ctx.reads_by_name() {
        // Otherwise the watch tells of the end of its Secrets.
        for (secret, _) in ctx.issued_secrets.written_for(key) {
            ctx.issued_secrets.remove(&secret, u64::MAX);
        }
    }
}
