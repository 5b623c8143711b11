//! The watches of the `Signer`s and `ClusterSigner`s. They wake the objects that use a signer that
//! changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use kube::runtime::watcher::Config;

use super::namespaces::{Listed, WatchScope};
use super::{PAGE, watch_all, watch_scope};
use crate::controller::context::Context;
use crate::controller::state::lean_signer::{LeanClusterSigner, LeanSigner, WatchedSigner};
use crate::controller::state::scopes::Scope;
use crate::controller::state::signers::dependent;
use crate::crd::SignerKind;
use crate::domain::signer::SignerId;
use crate::runtime::watch::WatchEvent;
use crate::runtime::{Check, Key};

/// What an object reads whose signer cannot be watched.
const UNREADABLE: &str = "cannot be read: the operator needs permission to list and watch signers of this kind, and their definition has to be installed (deploy/crds.yaml)";

/// Keeps the `Signer`s of a scope up to date for as long as the process runs. `ready` passes
/// after the first complete list, or when the API server refuses one.
pub async fn reflect_signers(ctx: Arc<Context>, scope: WatchScope, ready: Check) {
    let events = watch_scope::<LeanSigner>(&ctx, "Signers", Config::default().page_size(PAGE), &scope);
    reflect_kind(&ctx, events, scope.id, &ready).await;
}

/// Keeps the `ClusterSigner`s up to date, as [`reflect_signers`] does.
pub async fn reflect_cluster_signers(ctx: Arc<Context>, ready: Check) {
    let events = watch_all::<LeanClusterSigner>(&ctx, "ClusterSigners", Config::default().page_size(PAGE));
    reflect_kind(&ctx, events, 0, &ready).await;
}

async fn reflect_kind<K: WatchedSigner>(
    ctx: &Context,
    events: impl Stream<Item = WatchEvent<K>>,
    scope: Scope,
    ready: &Check,
) {
    let listed_kind = match K::KIND {
        SignerKind::Signer => Listed::Signers,
        SignerKind::ClusterSigner => Listed::ClusterSigners,
    };
    let cached = || {
        let is_here = |namespace: &str| namespace.is_empty() || ctx.scopes.of_namespace(namespace) == scope;
        ctx.signers.ids(K::KIND, is_here)
    };
    let mut events = std::pin::pin!(events);
    let mut listed = BTreeSet::new();
    let mut was_complete = false;
    while let Some(event) = events.next().await {
        match event {
            WatchEvent::Restarted => {
                was_complete = false;
                ctx.synced.begin(scope, listed_kind);
                for id in cached() {
                    disappeared(ctx, &id);
                }
            }
            WatchEvent::Init => listed.clear(),
            WatchEvent::InitApply(signer) => {
                listed.insert(signer.id());
                appeared(ctx, signer);
            }
            WatchEvent::InitDone => {
                ctx.signers.set_unreadable(K::KIND, scope, None);
                // Those whose signer does not exist were told that it cannot be read.
                if !std::mem::replace(&mut was_complete, true) {
                    for object in ctx.signer_users.of_kind(K::KIND) {
                        ctx.wake(&object);
                    }
                }
                for id in cached().difference(&listed) {
                    disappeared(ctx, id);
                }
                listed.clear();
                complete(ctx, scope, listed_kind, ready);
            }
            WatchEvent::Apply(signer) => appeared(ctx, signer),
            WatchEvent::Delete(signer) => disappeared(ctx, &signer.id()),
            // Objects that use no signer do not wait for a permission that is missing. Signers that are
            // known stay known: the watch is opened again from there.
            WatchEvent::Denied => {
                let why = Some(UNREADABLE).filter(|_| !was_complete);
                ctx.signers.set_unreadable(K::KIND, scope, why);
                complete(ctx, scope, listed_kind, ready);
            }
        }
    }
}

fn complete(ctx: &Context, scope: Scope, list: Listed, ready: &Check) {
    ready.pass();
    super::listed(ctx, scope, list);
}

fn appeared(ctx: &Context, signer: impl WatchedSigner) {
    let id = signer.id();
    let cached = signer.parse(&ctx.connection_settings.signer_namespace);
    let secret = cached.parsed.as_ref().ok().and_then(|parsed| parsed.secret());
    let secret = secret.map(|(namespace, secret)| Key::new(namespace, &secret.name));
    if ctx.signers.observe(id.clone(), cached) {
        ctx.depend(&dependent(&id), &secret.into_iter().collect());
        wake_users(ctx, &id);
    }
}

fn disappeared(ctx: &Context, id: &SignerId) {
    ctx.sessions.forget_account_failure(id);
    if ctx.signers.remove(id) {
        ctx.depend(&dependent(id), &BTreeSet::new());
        wake_users(ctx, id);
    }
}

fn wake_users(ctx: &Context, id: &SignerId) {
    for object in ctx.signer_users.of(id) {
        ctx.wake(&object);
    }
}
