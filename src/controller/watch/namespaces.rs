//! The watches of each scope: all namespaces at once, or some, each on its own.
//!
//! Each scope has watches of its own, so that one that may not be watched holds up no other.
//! What they fill is shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::by_name::look_at_credentials;
use super::{issued_secrets, other_secrets, presigned_urls};
use crate::controller::context::Context;
use crate::controller::state::scopes::{Scope, Scopes};
use crate::runtime::{Probes, Tasks};

/// One scope, and where it is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The scope in the caches.
    pub scope: Scope,
    /// The namespace; all when `None`.
    pub namespace: Option<String>,
}

/// Starts the watches of every scope among `tasks`.
pub(in crate::controller) fn watch(ctx: &Arc<Context>, probes: &Probes, tasks: &mut Tasks) {
    for (scope, namespace) in ctx.scopes.all() {
        let suffix = namespace.as_ref().map(|namespace| format!(" in {namespace}")).unwrap_or_default();
        let check = |what: &str| probes.check(&format!("watch of {what}{suffix}"));
        let place = Place { scope, namespace };
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

/// Which scopes have shown all that they hold. Before that a reconcile would not know the most
/// urgent object, would have to look for its Secret, and would be in the way of the lists.
#[derive(Debug)]
pub struct Synced {
    scopes: Scopes,
    lists: Vec<Lists>,
}

/// The lists of one scope that reconciles rest on.
#[derive(Debug, Default)]
struct Lists {
    presigned_urls: AtomicBool,
    issued_secrets: AtomicBool,
}

/// One of these lists.
#[derive(Clone, Copy, Debug)]
pub enum Listed {
    /// The `PresignedUrl`s.
    PresignedUrls,
    /// The Secrets that carry our label.
    IssuedSecrets,
}

impl Synced {
    /// Nothing is complete yet.
    pub(in crate::controller) fn new(scopes: Scopes) -> Self {
        let lists = scopes.all().iter().map(|_| Lists::default()).collect();
        Self { scopes, lists }
    }

    /// Says that a list of a scope is complete, and answers whether that was the last one that
    /// was missing.
    pub fn complete(&self, scope: Scope, listed: Listed) -> bool {
        let Some(lists) = self.lists.get(scope) else { return false };
        !lists.of(listed).swap(true, Ordering::SeqCst) && lists.are_complete()
    }

    /// Says that a list has to be complete again before anything is reconciled.
    pub fn begin(&self, scope: Scope, listed: Listed) {
        if let Some(lists) = self.lists.get(scope) {
            lists.of(listed).store(false, Ordering::SeqCst);
        }
    }

    /// Whether everything in a namespace is known.
    #[must_use]
    pub fn is_complete(&self, namespace: &str) -> bool {
        self.lists.get(self.scopes.of_namespace(namespace)).is_some_and(Lists::are_complete)
    }
}

impl Lists {
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
