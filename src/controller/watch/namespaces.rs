//! The watches of each scope: one scope for all namespaces, or one for each given namespace.
//!
//! Each scope has its own watches, so that a namespace that may not be watched does not block others.
//! All watches fill the same caches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::by_name::check_credentials;
use super::{issued_secrets, namespace_labels, other_secrets, presigned_urls, signers};
use crate::controller::context::Context;
use crate::controller::state::scopes::{Scope, Scopes};
use crate::crd::SignerKind;
use crate::domain::signer::SignerId;
use crate::runtime::{Probes, Tasks};

#[derive(Clone, Debug)]
pub struct WatchScope {
    /// The number of the scope in the caches.
    pub id: Scope,
    /// The namespace; all when `None`.
    pub namespace: Option<String>,
}

/// Spawns the watches of every scope into `tasks`.
pub(in crate::controller) fn spawn_watches(ctx: &Arc<Context>, probes: &Probes, tasks: &mut Tasks) {
    for (id, namespace) in ctx.scopes.all() {
        let suffix = namespace.as_ref().map(|namespace| format!(" in {namespace}")).unwrap_or_default();
        let check = |what: &str| probes.check(&format!("watch of {what}{suffix}"));
        let scope = WatchScope { id, namespace };
        if ctx.reads_by_name() {
            ctx.synced.complete(id, Listed::IssuedSecrets);
            tasks.spawn("credentials", check_credentials(ctx.clone(), id));
        } else {
            let issued = issued_secrets::reflect(ctx.clone(), scope.clone(), check("our Secrets"));
            tasks.spawn("watch of our Secrets", issued);
            let others = other_secrets::reflect(ctx.clone(), scope.clone(), check("other Secrets"));
            tasks.spawn("watch of other Secrets", others);
        }
        let signers = signers::reflect_signers(ctx.clone(), scope.clone(), check("Signers"));
        tasks.spawn("watch of Signers", signers);
        let urls = presigned_urls::reflect(ctx.clone(), scope, check("PresignedUrls"));
        tasks.spawn("watch of PresignedUrls", urls);
    }
    if ctx.cluster_signers {
        let signers = signers::reflect_cluster_signers(ctx.clone(), probes.check("watch of ClusterSigners"));
        tasks.spawn("watch of ClusterSigners", signers);
        watch_signer_namespace(ctx, probes, tasks);
    } else {
        ctx.signers.set_unreadable(SignerKind::ClusterSigner, 0, Some(NO_CLUSTER_SIGNERS));
        ctx.synced.complete(0, Listed::ClusterSigners);
    }
    if ctx.namespace_selectors {
        let labels = namespace_labels::reflect(ctx.clone(), probes.check("watch of namespaces"));
        tasks.spawn("watch of namespaces", labels);
    } else {
        ctx.synced.complete(0, Listed::NamespaceLabels);
    }
}

/// What an object reads whose `ClusterSigner` is not watched.
const NO_CLUSTER_SIGNERS: &str = "cannot be used, because the operator runs without ClusterSigners (--cluster-signers): use a Signer of this namespace, or ask the administrator of the operator";

/// Watches the Secrets with the credentials of `ClusterSigner`s, if no other scope has their namespace.
fn watch_signer_namespace(ctx: &Arc<Context>, probes: &Probes, tasks: &mut Tasks) {
    let Some((id, namespace)) = ctx.scopes.of_signers() else { return };
    if ctx.reads_by_name() {
        tasks.spawn("credentials of ClusterSigners", check_credentials(ctx.clone(), id));
    } else {
        let ready = probes.check(&format!("watch of other Secrets in {namespace}"));
        let scope = WatchScope { id, namespace: Some(namespace) };
        tasks.spawn("watch of the signer namespace", other_secrets::reflect(ctx.clone(), scope, ready));
    }
}

/// Which scopes have complete lists. Nothing is reconciled before that: the queue would not know the
/// most urgent object, each reconcile would have to read its Secret, and the lists would be delayed.
#[derive(Debug)]
pub struct Synced {
    scopes: Scopes,
    lists: Vec<ListsOfScope>,
    cluster_signers: AtomicBool,
    namespace_labels: AtomicBool,
}

/// Which of the lists that a reconcile needs are complete, for one scope.
#[derive(Debug, Default)]
struct ListsOfScope {
    presigned_urls: AtomicBool,
    issued_secrets: AtomicBool,
    signers: AtomicBool,
}

/// A list that a reconcile needs.
#[derive(Clone, Copy, Debug)]
pub enum Listed {
    /// The `PresignedUrl`s.
    PresignedUrls,
    /// The Secrets that carry our label.
    IssuedSecrets,
    /// The `Signer`s.
    Signers,
    /// The `ClusterSigner`s, which all scopes need.
    ClusterSigners,
    /// The labels of the namespaces, which all scopes need.
    NamespaceLabels,
}

impl Synced {
    /// No list is complete yet.
    pub(in crate::controller) fn new(scopes: Scopes) -> Self {
        let lists = scopes.all().iter().map(|_| ListsOfScope::default()).collect();
        let (cluster_signers, namespace_labels) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { scopes, lists, cluster_signers, namespace_labels }
    }

    /// Records that a list of a scope is complete. Returns the scopes in which it was the last one
    /// missing.
    pub fn complete(&self, scope: Scope, listed: Listed) -> Vec<Scope> {
        if self.list(scope, listed).is_none_or(|list| list.swap(true, Ordering::SeqCst)) {
            return Vec::new();
        }
        let is_affected = |candidate: &Scope| match listed {
            Listed::ClusterSigners | Listed::NamespaceLabels => true,
            Listed::PresignedUrls | Listed::IssuedSecrets | Listed::Signers => *candidate == scope,
        };
        (0..self.lists.len()).filter(is_affected).filter(|scope| self.is_scope_complete(*scope)).collect()
    }

    /// Whether the list of the signers of a kind is complete, where it shows those of this namespace.
    #[must_use]
    pub fn has_signers(&self, id: &SignerId) -> bool {
        let listed = match id.kind {
            SignerKind::Signer => Listed::Signers,
            SignerKind::ClusterSigner => Listed::ClusterSigners,
        };
        let list = self.list(self.scopes.of_namespace(&id.namespace), listed);
        list.is_some_and(|list| list.load(Ordering::SeqCst))
    }

    /// Records that a list restarts, and has to complete again before the scope is reconciled.
    pub fn begin(&self, scope: Scope, listed: Listed) {
        if let Some(list) = self.list(scope, listed) {
            list.store(false, Ordering::SeqCst);
        }
    }

    /// Whether the lists that cover a namespace are complete.
    #[must_use]
    pub fn is_complete(&self, namespace: &str) -> bool {
        self.is_scope_complete(self.scopes.of_namespace(namespace))
    }

    fn is_scope_complete(&self, scope: Scope) -> bool {
        let is_complete = |list: &AtomicBool| list.load(Ordering::SeqCst);
        let of_scope = self.lists.get(scope).is_some_and(|lists| {
            [&lists.presigned_urls, &lists.issued_secrets, &lists.signers].into_iter().all(is_complete)
        });
        of_scope && is_complete(&self.cluster_signers) && is_complete(&self.namespace_labels)
    }

    fn list(&self, scope: Scope, listed: Listed) -> Option<&AtomicBool> {
        match listed {
            Listed::PresignedUrls => Some(&self.lists.get(scope)?.presigned_urls),
            Listed::IssuedSecrets => Some(&self.lists.get(scope)?.issued_secrets),
            Listed::Signers => Some(&self.lists.get(scope)?.signers),
            Listed::ClusterSigners => Some(&self.cluster_signers),
            Listed::NamespaceLabels => Some(&self.namespace_labels),
        }
    }
}
