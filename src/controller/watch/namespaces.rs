//! The watches of each scope: one scope for all namespaces, or one for each given namespace.
//!
//! Each scope has its own watches, so that a namespace that may not be watched does not block others.
//! All watches fill the same caches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::by_name::look_at_credentials;
use super::{issued_secrets, other_secrets, presigned_urls};
use crate::controller::context::Context;
use crate::controller::state::scopes::{Scope, Scopes};
use crate::runtime::{Probes, Tasks};

/// One scope and its namespace.
#[derive(Clone, Debug)]
pub struct WatchScope {
    /// The number of the scope in the caches.
    pub scope: Scope,
    /// The namespace; all when `None`.
    pub namespace: Option<String>,
}

/// Spawns the watches of every scope into `tasks`.
pub(in crate::controller) fn watch(ctx: &Arc<Context>, probes: &Probes, tasks: &mut Tasks) {
    for (scope, namespace) in ctx.scopes.all() {
        let suffix = namespace.as_ref().map(|namespace| format!(" in {namespace}")).unwrap_or_default();
        let check = |what: &str| probes.check(&format!("watch of {what}{suffix}"));
        let place = WatchScope { scope, namespace };
        if ctx.reads_by_name() {
            ctx.synced.complete(scope, Listed::IssuedSecrets);
            tasks.spawn("credentials", look_at_credentials(ctx.clone(), place.clone()));
        } else {
            let issued = issued_secrets::follow(ctx.clone(), place.clone(), check("our Secrets"));
            tasks.spawn("watch of our Secrets", issued);
            let others = other_secrets::follow(ctx.clone(), place.clone(), check("other Secrets"));
            tasks.spawn("watch of other Secrets", others);
        }
        let urls = presigned_urls::follow(ctx.clone(), place, check("PresignedUrls"));
        tasks.spawn("watch of PresignedUrls", urls);
    }
}

/// Which scopes have complete lists. Nothing is reconciled before that: the queue would not know the
/// most urgent object, each reconcile would have to read its Secret, and the lists would be delayed.
#[derive(Debug)]
pub struct Synced {
    scopes: Scopes,
    lists: Vec<ListsOfScope>,
}

/// Which of the lists that a reconcile needs are complete, for one scope.
#[derive(Debug, Default)]
struct ListsOfScope {
    presigned_urls: AtomicBool,
    issued_secrets: AtomicBool,
}

/// A list that a reconcile needs.
#[derive(Clone, Copy, Debug)]
pub enum Listed {
    /// The `PresignedUrl`s.
    PresignedUrls,
    /// The Secrets that carry our label.
    IssuedSecrets,
}

impl Synced {
    /// No list is complete yet.
    pub(in crate::controller) fn new(scopes: Scopes) -> Self {
        let lists = scopes.all().iter().map(|_| ListsOfScope::default()).collect();
        Self { scopes, lists }
    }

    /// Records that a list of a scope is complete. Returns whether it was the last one missing in that
    /// scope.
    pub fn complete(&self, scope: Scope, listed: Listed) -> bool {
        let Some(lists) = self.lists.get(scope) else { return false };
        !lists.of(listed).swap(true, Ordering::SeqCst) && lists.are_complete()
    }

    /// Records that a list restarts, and has to complete again before the scope is reconciled.
    pub fn begin(&self, scope: Scope, listed: Listed) {
        if let Some(lists) = self.lists.get(scope) {
            lists.of(listed).store(false, Ordering::SeqCst);
        }
    }

    /// Whether the lists that cover a namespace are complete.
    #[must_use]
    pub fn is_complete(&self, namespace: &str) -> bool {
        self.lists.get(self.scopes.of_namespace(namespace)).is_some_and(ListsOfScope::are_complete)
    }
}

impl ListsOfScope {
    fn of(&self, listed: Listed) -> &AtomicBool {
        match listed {
            Listed::PresignedUrls => &self.presigned_urls,
            Listed::IssuedSecrets => &self.issued_secrets,
        }
    }

    fn are_complete(&self) -> bool {
        self.presigned_urls.load(Ordering::SeqCst) && self.issued_secrets.load(Ordering::SeqCst)
    }
}
