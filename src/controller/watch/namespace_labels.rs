//! The watch of the labels of namespaces, for signers that choose namespaces by their labels. Only
//! metadata is requested.

use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Config;

use super::namespaces::Listed;
use super::{PAGE_OF_METADATA, listed, watch_all};
use crate::controller::context::Context;
use crate::runtime::Check;
use crate::runtime::watch::WatchEvent;

/// Keeps the labels of namespaces up to date for as long as the process runs. `ready` passes
/// after the first complete list,
/// or when the API server refuses one.
pub async fn reflect(ctx: Arc<Context>, ready: Check) {
    let config = Config::default().page_size(PAGE_OF_METADATA);
    let events = watch_all::<PartialObjectMeta<Namespace>>(&ctx, "namespaces", config);
    let mut events = std::pin::pin!(events);
    let parts = |namespace: PartialObjectMeta<Namespace>| {
        (namespace.metadata.name.unwrap_or_default(), namespace.metadata.labels.unwrap_or_default())
    };
    while let Some(event) = events.next().await {
        match event {
            WatchEvent::Restarted => ctx.synced.begin(0, Listed::NamespaceLabels),
            WatchEvent::Init => ctx.namespace_labels.begin_list(),
            WatchEvent::InitApply(namespace) => {
                let (name, labels) = parts(namespace);
                ctx.namespace_labels.list(name, labels);
            }
            WatchEvent::InitDone => {
                for name in ctx.namespace_labels.end_list() {
                    wake_users(&ctx, &name);
                }
                complete(&ctx, &ready);
            }
            WatchEvent::Apply(namespace) => {
                let (name, labels) = parts(namespace);
                if ctx.namespace_labels.observe(name.clone(), labels) {
                    wake_users(&ctx, &name);
                }
            }
            WatchEvent::Delete(namespace) => ctx.namespace_labels.remove(&parts(namespace).0),
            // What is known stays: the watch is opened again from there.
            WatchEvent::Denied => complete(&ctx, &ready),
        }
    }
}

fn complete(ctx: &Context, ready: &Check) {
    ready.pass();
    listed(ctx, 0, Listed::NamespaceLabels);
}

fn wake_users(ctx: &Context, namespace: &str) {
    for object in ctx.signer_users.in_namespace(namespace) {
        ctx.wake(&object);
    }
}
