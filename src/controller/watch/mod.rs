//! The watches that wake a `PresignedUrl`: of the objects themselves, of Secrets, of signers, and of
//! namespaces. One file per watch.

pub mod by_name;
mod issued_secrets;
mod namespace_labels;
pub mod namespaces;
mod other_secrets;
mod presigned_urls;
mod signers;

use std::fmt::Debug;

use futures::Stream;
use kube::Resource;
use kube::core::{ClusterResourceScope, NamespaceResourceScope, ObjectMeta};
use kube::runtime::watcher::Config;
use serde::de::DeserializeOwned;

use self::namespaces::{Listed, WatchScope};
pub use self::presigned_urls::forget_if_gone;
use crate::controller::context::Context;
use crate::controller::state::scopes::Scope;
use crate::runtime::Key;
use crate::runtime::watch::{WatchEvent, WatchSelection, watch, watch_cluster};

/// How many objects one page of a list has. A single object can have a megabyte and more.
const PAGE: u32 = 20;
/// How many objects one page has when only metadata is listed. One can have a quarter of a megabyte.
const PAGE_OF_METADATA: u32 = 100;

/// Wakes the object that a Secret names as its owner, or else the object that has its name.
pub fn wake_owner(ctx: &Context, secret: &Key, owner: Option<&str>) {
    match owner.filter(|owner| *owner != secret.name()) {
        Some(owner) => ctx.wake(&Key::new(secret.namespace(), owner)),
        None => ctx.wake(secret),
    };
}

/// Wakes every object of a scope.
pub fn everyone(ctx: &Context, scope: Scope) {
    for key in ctx.objects.keys(scope) {
        ctx.wake(&key);
    }
    ctx.signers.wake();
}

/// Records that a list of a scope is complete, and wakes every object of the scopes in which it was the
/// last one missing.
fn listed(ctx: &Context, scope: Scope, list: Listed) {
    for scope in ctx.synced.complete(scope, list) {
        everyone(ctx, scope);
    }
}

/// The events of a watch. It restarts when the API server was restored to an earlier state.
fn watch_scope<K>(
    ctx: &Context,
    what: &'static str,
    config: Config,
    scope: &WatchScope,
) -> impl Stream<Item = WatchEvent<K>> + Send + use<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + DeserializeOwned + Send + 'static,
{
    let selection = WatchSelection { what, namespace: scope.namespace.clone(), config };
    watch(&ctx.client, selection, &ctx.restart, &ctx.watches)
}

/// The events of a watch of a resource that belongs to no namespace, as [`watch_scope`] has them.
fn watch_all<K>(
    ctx: &Context,
    what: &'static str,
    config: Config,
) -> impl Stream<Item = WatchEvent<K>> + Send + use<K>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>,
    K: Clone + Debug + DeserializeOwned + Send + 'static,
{
    let selection = WatchSelection { what, namespace: None, config };
    watch_cluster(&ctx.client, selection, &ctx.restart, &ctx.watches)
}

fn key(metadata: &ObjectMeta) -> Key {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    Key::new(&part(&metadata.namespace), &part(&metadata.name))
}
