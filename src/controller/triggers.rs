//! What wakes a `PresignedUrl`: its own changes, and Secrets.
//!
//! For Secrets there are two watches. One on our label keeps the facts. One on all other
//! Secrets sees metadata only, and wakes whoever looks at a Secret that changed; Secrets
//! that nobody looks at cost nothing.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::core::NamespaceResourceScope;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use tokio::sync::mpsc;

use super::context::Context;
use super::facts::SecretKey;
use super::object::LeanPresignedUrl;
use crate::crd::names::{LABEL_MANAGED, MANAGED};
use crate::domain::Stored;
use crate::domain::stored::resource_version;
use crate::ops::Check;

/// Wakes the objects of one scope.
pub struct Bell {
    /// The objects.
    pub objects: Store<LeanPresignedUrl>,
    /// Where to say whom to wake.
    pub wake: mpsc::UnboundedSender<ObjectRef<LeanPresignedUrl>>,
}

/// Wakes objects by reference, whatever their scope.
pub struct Alarm {
    bells: Vec<Bell>,
}

impl Alarm {
    /// An alarm with a bell for each scope.
    #[must_use]
    pub fn new(bells: Vec<Bell>) -> Self {
        Self { bells }
    }

    /// Wakes the objects of these names, and forgets those that are gone.
    pub fn ring(&self, ctx: &Context, namespace: &str, names: impl IntoIterator<Item = String>) {
        for name in names {
            let object = ObjectRef::new(&name).within(namespace);
            match self.bells.iter().find(|bell| bell.objects.get(&object).is_some()) {
                // The receiver ends with the controller; then nobody is left to wake.
                Some(bell) => drop(bell.wake.send(object)),
                None => forget(ctx, namespace, &name),
            }
        }
    }

    /// Wakes everyone who looks at a Secret, and afresh: what they waited for may be here.
    pub fn secret_changed(&self, ctx: &Context, key: &SecretKey) {
        let dependents = ctx.dependents.of(key);
        for name in &dependents {
            ctx.attempts.reset(&key.namespace, name);
        }
        self.ring(ctx, &key.namespace, dependents);
    }
}

/// The `PresignedUrl`s that changed. Keeps `writer`'s store, forgets who is gone, and lets
/// `ready` pass after the first complete list.
pub fn objects(
    ctx: Arc<Context>,
    writer: Writer<LeanPresignedUrl>,
    namespace: Option<String>,
    ready: Check,
) -> impl Stream<Item = watcher::Result<LeanPresignedUrl>> + Send + use<> {
    watcher(api::<LeanPresignedUrl>(&ctx.client, namespace.as_deref()), watcher::Config::default())
        .default_backoff()
        .inspect(move |event| match event {
            Ok(Event::InitDone) => ready.pass(),
            Err(error) => trouble("PresignedUrls", namespace.as_deref(), error),
            Ok(Event::Delete(object)) => {
                let owner = object.owner();
                forget(&ctx, &owner.namespace, &owner.name);
            }
            _ => {}
        })
        .reflect(writer)
        .applied_objects()
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
pub async fn follow_ours(ctx: Arc<Context>, alarm: Arc<Alarm>, namespace: Option<String>, ready: Check) {
    let config = watcher::Config::default().labels(&format!("{LABEL_MANAGED}={MANAGED}"));
    let secrets = api::<Secret>(&ctx.client, namespace.as_deref());
    let mut events = std::pin::pin!(watcher(secrets, config).default_backoff());
    let mut listed = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(secret)) => {
                let key = key(&secret.metadata);
                listed.insert(key.clone());
                appeared(&ctx, &alarm, &key, &secret);
            }
            Ok(Event::InitDone) => {
                for key in ctx.facts.retain_listed(namespace.as_deref(), &listed) {
                    alarm.ring(&ctx, &key.namespace, [key.name.clone()]);
                    alarm.secret_changed(&ctx, &key);
                }
                listed = HashSet::new();
                ctx.synced.complete(namespace.as_deref());
                ready.pass();
            }
            Ok(Event::Apply(secret)) => appeared(&ctx, &alarm, &key(&secret.metadata), &secret),
            Ok(Event::Delete(secret)) => disappeared(&ctx, &alarm, &secret.metadata),
            Err(error) => trouble("our Secrets", namespace.as_deref(), &error),
        }
    }
}

fn appeared(ctx: &Context, alarm: &Alarm, key: &SecretKey, secret: &Secret) {
    let stored = Stored::read(secret);
    let is_credentials = ctx.credentials.invalidate(key, stored.resource_version);
    let owner = stored.owner.clone();
    let (is_news, before) = ctx.facts.learn(key.clone(), stored);
    if is_credentials {
        alarm.secret_changed(ctx, key);
    }
    // The first list comes before any pass; everyone is looked at then anyway.
    if is_news && ctx.synced.is_complete(&key.namespace) {
        let before = before.and_then(|before| before.owner);
        alarm.ring(ctx, &key.namespace, owners([owner, before], key));
        alarm.ring(ctx, &key.namespace, ctx.dependents.of(key));
    }
}

fn disappeared(ctx: &Context, alarm: &Alarm, metadata: &ObjectMeta) {
    let (key, version) = (key(metadata), resource_version(metadata.resource_version.as_deref()));
    ctx.credentials.invalidate(&key, 0);
    let before = ctx.facts.forget(&key, version).and_then(|before| before.owner);
    alarm.ring(ctx, &key.namespace, owners([before], &key));
    alarm.secret_changed(ctx, &key);
}

/// Whoever the Secret says it was written for, and its namesake.
fn owners<const N: usize>(named: [Option<Box<str>>; N], key: &SecretKey) -> HashSet<String> {
    named.into_iter().flatten().map(String::from).chain([key.name.clone()]).collect()
}

/// Follows the metadata of all other Secrets, for as long as the process lives. `ready`
/// passes after the first complete list.
pub async fn follow_others(ctx: Arc<Context>, alarm: Arc<Alarm>, namespace: Option<String>, ready: Check) {
    // Helm's releases are large and tokens are many; neither is ever an access key.
    let config = watcher::Config::default()
        .labels(&format!("{LABEL_MANAGED}!={MANAGED}"))
        .fields("type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token");
    let secrets = api::<PartialObjectMeta<Secret>>(&ctx.client, namespace.as_deref());
    let mut events = std::pin::pin!(watcher(secrets, config).default_backoff());
    let mut listed = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(secret)) => {
                listed.insert(key(&secret.metadata));
                changed(&ctx, &alarm, &secret);
            }
            Ok(Event::InitDone) => {
                let in_scope = |key: &SecretKey| namespace.as_ref().is_none_or(|n| *n == key.namespace);
                for key in ctx.credentials.keys() {
                    if in_scope(&key) && !listed.contains(&key) && ctx.credentials.invalidate(&key, 0) {
                        alarm.secret_changed(&ctx, &key);
                    }
                }
                listed = HashSet::new();
                ready.pass();
            }
            Ok(Event::Apply(secret)) => changed(&ctx, &alarm, &secret),
            Ok(Event::Delete(secret)) => disappeared(&ctx, &alarm, &secret.metadata),
            Err(error) => trouble("other Secrets", namespace.as_deref(), &error),
        }
    }
}

fn changed(ctx: &Context, alarm: &Alarm, secret: &PartialObjectMeta<Secret>) {
    let key = key(&secret.metadata);
    let version = resource_version(secret.metadata.resource_version.as_deref());
    let is_credentials = ctx.credentials.invalidate(&key, version);
    // A target that is not ours, or no longer looks like it: look again.
    let is_target = version > 0 && ctx.facts.forget(&key, version - 1).is_some();
    if is_credentials || is_target {
        alarm.secret_changed(ctx, &key);
        alarm.ring(ctx, &key.namespace, [key.name.clone()]);
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
