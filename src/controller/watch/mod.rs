//! What wakes a `PresignedUrl`: its own changes, and Secrets.
//!
//! For Secrets there are two watches. One on our label keeps the facts. One on all other
//! Secrets sees metadata only, and wakes whoever looks at a Secret that changed; Secrets
//! that nobody looks at cost nothing.

pub mod by_name;
pub mod namespaces;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::core::NamespaceResourceScope;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource};

use crate::controller::context::Context;
use crate::controller::state::issued_secrets::SecretKey;
use crate::controller::state::lean::LeanPresignedUrl;
use crate::controller::state::objects::News;
use crate::controller::watch::namespaces::Listed;
use crate::crd::names::{LABEL_MANAGED, MANAGED};
use crate::domain::Stored;
use crate::domain::stored::resource_version;
use crate::runtime::Check;
use crate::runtime::key::Key;
use crate::runtime::watch::follow;

/// Wakes the objects of these names, and forgets those that are gone.
pub fn ring(ctx: &Context, namespace: &str, names: impl IntoIterator<Item = String>) {
    for name in names {
        if !ctx.wake(&Key::new(namespace, &name)) {
            forget(ctx, namespace, &name);
        }
    }
}

/// Wakes everyone who looks at a Secret, and afresh: what they waited for may be here.
pub fn secret_changed(ctx: &Context, key: &SecretKey) {
    let dependents = ctx.dependents.of(key);
    for name in &dependents {
        ctx.attempts.reset(&key.namespace, name);
    }
    ring(ctx, &key.namespace, dependents);
}

/// Wakes every object of a namespace; of all when `None`.
pub fn everyone(ctx: &Context, namespace: Option<&str>) {
    for key in ctx.objects.keys(namespace) {
        ctx.wake(&key);
    }
}

/// Keeps the objects, for as long as the process lives, and wakes those that changed.
/// `ready` passes after the first complete list.
pub async fn follow_objects(ctx: Arc<Context>, namespace: Option<String>, ready: Check) {
    let objects = api::<LeanPresignedUrl>(&ctx.client, namespace.as_deref());
    let mut events = std::pin::pin!(follow(objects, watcher::Config::default()));
    let (mut listed, mut news) = (HashSet::new(), Vec::new());
    while let Some(event) = events.next().await {
        match event {
            // What a list that broke off had shown is known since, and would be no news again.
            Ok(Event::Init) => listed = HashSet::new(),
            Ok(Event::InitApply(object)) => {
                let (key, is_news) = ctx.objects.learn(&object);
                news.extend((is_news != News::Nothing).then(|| key.clone()));
                listed.insert(key);
            }
            Ok(Event::InitDone) => {
                for key in ctx.objects.keys(namespace.as_deref()) {
                    if !listed.contains(&key) {
                        gone(&ctx, &key, u64::MAX);
                    }
                }
                ready.pass();
                // Only now, so that the most urgent of all goes first.
                for key in &std::mem::take(&mut news) {
                    ctx.wake(key);
                }
                listed = HashSet::new();
                complete(&ctx, namespace.as_deref(), Listed::Objects);
            }
            Ok(Event::Apply(object)) => match ctx.objects.learn(&object) {
                (_, News::Nothing) => {}
                (key, News::Status | News::Object) => drop(ctx.wake(&key)),
            },
            Ok(Event::Delete(object)) => {
                let version = resource_version(object.metadata.resource_version.as_deref());
                gone(&ctx, &Key::from(&object), version);
            }
            Err(error) => trouble("PresignedUrls", namespace.as_deref(), &error),
        }
    }
}

/// Takes in that a list is complete. With the last one the passes begin.
fn complete(ctx: &Context, namespace: Option<&str>, listed: Listed) {
    if ctx.synced.complete(namespace, listed) {
        everyone(ctx, namespace);
    }
}

fn gone(ctx: &Context, key: &Key, version: u64) {
    if ctx.objects.forget(key, version) {
        ctx.queue.drop_out(key);
        forget(ctx, key.namespace(), key.name());
    }
}

/// Forgets what was kept for an object that is gone.
fn forget(ctx: &Context, namespace: &str, name: &str) {
    ctx.dependents.set(namespace, name, &BTreeSet::new());
    ctx.attempts.reset(namespace, name);
    if ctx.reads_by_name() {
        // Otherwise the watch tells of the end of its Secrets.
        for (key, _) in ctx.facts.written_for(namespace, name) {
            ctx.facts.forget(&key, u64::MAX);
        }
    }
}

/// Keeps the facts about our Secrets, for as long as the process lives. `ready` passes
/// after the first complete list.
pub async fn follow_ours(ctx: Arc<Context>, namespace: Option<String>, ready: Check) {
    let config = watcher::Config::default().labels(&format!("{LABEL_MANAGED}={MANAGED}"));
    let secrets = api::<Secret>(&ctx.client, namespace.as_deref());
    let mut events = std::pin::pin!(follow(secrets, config));
    let (mut is_complete, mut listed) = (false, HashSet::new());
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) if is_complete => listed.clear(),
            // What is known so far, if anything, comes from a list that broke off.
            Ok(Event::Init) => drop(ctx.facts.retain_listed(namespace.as_deref(), &HashSet::new())),
            Ok(Event::InitApply(secret)) => {
                let key = key(&secret.metadata);
                if is_complete {
                    listed.insert(key.clone());
                }
                appeared(&ctx, &key, &secret);
            }
            Ok(Event::InitDone) if is_complete => {
                for key in ctx.facts.retain_listed(namespace.as_deref(), &std::mem::take(&mut listed)) {
                    ring(&ctx, &key.namespace, [key.name.clone()]);
                    secret_changed(&ctx, &key);
                }
            }
            Ok(Event::InitDone) => {
                is_complete = true;
                ready.pass();
                complete(&ctx, namespace.as_deref(), Listed::Ours);
            }
            Ok(Event::Apply(secret)) => appeared(&ctx, &key(&secret.metadata), &secret),
            Ok(Event::Delete(secret)) => disappeared(&ctx, &secret.metadata),
            Err(error) => trouble("our Secrets", namespace.as_deref(), &error),
        }
    }
}

fn appeared(ctx: &Context, key: &SecretKey, secret: &Secret) {
    let version = resource_version(secret.metadata.resource_version.as_deref());
    let is_credentials = ctx.credentials.invalidate(key, version);
    // Most of what is shown was known from the answer to our own write.
    let news = (!ctx.facts.knows(key, version)).then(|| {
        let stored = Stored::read(secret);
        (stored.owner.clone(), ctx.facts.learn(key, stored))
    });
    if is_credentials {
        secret_changed(ctx, key);
    }
    // The first list comes before any pass; everyone is looked at then anyway.
    if let Some((owner, (true, before))) = news
        && ctx.synced.is_complete(&key.namespace)
    {
        let before = before.and_then(|before| before.owner);
        ring(ctx, &key.namespace, owners([owner, before], key));
        ring(ctx, &key.namespace, ctx.dependents.of(key));
    }
}

fn disappeared(ctx: &Context, metadata: &ObjectMeta) {
    let (key, version) = (key(metadata), resource_version(metadata.resource_version.as_deref()));
    ctx.credentials.invalidate(&key, 0);
    let before = ctx.facts.forget(&key, version).and_then(|before| before.owner);
    ring(ctx, &key.namespace, owners([before], &key));
    secret_changed(ctx, &key);
}

/// Whoever the Secret says it was written for, and its namesake.
fn owners<const N: usize>(named: [Option<Box<str>>; N], key: &SecretKey) -> HashSet<String> {
    named.into_iter().flatten().map(String::from).chain([key.name.clone()]).collect()
}

/// Follows the metadata of all other Secrets, for as long as the process lives. `ready`
/// passes after the first complete list.
pub async fn follow_others(ctx: Arc<Context>, namespace: Option<String>, ready: Check) {
    // Helm's releases are large and tokens are many; neither is ever an access key.
    let config = watcher::Config::default()
        .labels(&format!("{LABEL_MANAGED}!={MANAGED}"))
        .fields("type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token");
    let secrets = api::<PartialObjectMeta<Secret>>(&ctx.client, namespace.as_deref());
    let mut events = std::pin::pin!(follow(secrets, config));
    let mut listed = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(secret)) => {
                listed.insert(key(&secret.metadata));
                changed(&ctx, &secret);
            }
            Ok(Event::InitDone) => {
                let in_scope = |key: &SecretKey| namespace.as_ref().is_none_or(|n| *n == key.namespace);
                for key in ctx.credentials.keys() {
                    if in_scope(&key) && !listed.contains(&key) && ctx.credentials.invalidate(&key, 0) {
                        secret_changed(&ctx, &key);
                    }
                }
                listed = HashSet::new();
                ready.pass();
            }
            Ok(Event::Apply(secret)) => changed(&ctx, &secret),
            Ok(Event::Delete(secret)) => disappeared(&ctx, &secret.metadata),
            Err(error) => trouble("other Secrets", namespace.as_deref(), &error),
        }
    }
}

fn changed(ctx: &Context, secret: &PartialObjectMeta<Secret>) {
    let key = key(&secret.metadata);
    let version = resource_version(secret.metadata.resource_version.as_deref());
    let is_credentials = ctx.credentials.invalidate(&key, version);
    // A target that is not ours, or no longer looks like it: look again.
    let is_target = version > 0 && ctx.facts.forget(&key, version - 1).is_some();
    if is_credentials || is_target {
        secret_changed(ctx, &key);
        ring(ctx, &key.namespace, [key.name.clone()]);
    }
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace))
}

fn key(metadata: &ObjectMeta) -> SecretKey {
    SecretKey {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

/// One line for a watch that failed and is tried again. The error's own text could quote
/// an object.
pub fn trouble(what: &str, namespace: Option<&str>, error: &watcher::Error) {
    let status = match error {
        watcher::Error::WatchError(status)
        | watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status.as_ref()),
        _ => None,
    };
    match status {
        // A watch that is too old begins anew; that is routine.
        Some(status) if status.code == 410 => tracing::debug!(what, namespace, "the watch starts anew"),
        Some(status) => {
            tracing::warn!(what, namespace, code = status.code, reason = status.reason, "cannot watch");
        }
        None => tracing::warn!(what, namespace, "cannot watch: the API server is out of reach"),
    }
}
