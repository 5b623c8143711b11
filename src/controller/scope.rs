//! What one operator looks after: all namespaces at once, or some, each on its own.
//!
//! Each scope has watches of its own, so that one that may not be watched holds up no other.
//! What they fill is shared.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::access::look_at_credentials;
use super::context::Context;
use super::triggers;
use crate::ops::Probes;

/// Starts the watches of one namespace, or of all when it has no name, among `watches`.
pub(super) fn watch(ctx: &Arc<Context>, namespace: Option<&str>, probes: &Probes, watches: &mut JoinSet<()>) {
    let place = namespace.map(|namespace| format!(" in {namespace}")).unwrap_or_default();
    let check = |what: &str| probes.check(&format!("watch of {what}{place}"));
    let scope = || (ctx.clone(), namespace.map(str::to_owned));
    let (context, own) = scope();
    if ctx.reads_by_name() {
        ctx.synced.complete(namespace);
        watches.spawn(look_at_credentials(context, own));
    } else {
        watches.spawn(triggers::follow_ours(context, own, check("our Secrets")));
        let (context, own) = scope();
        watches.spawn(triggers::follow_others(context, own, check("other Secrets")));
    }
    let (context, own) = scope();
    watches.spawn(triggers::follow_objects(context, own, check("PresignedUrls")));
}

/// Of which scopes the facts about our Secrets are complete.
#[derive(Debug)]
pub struct Synced {
    scopes: BTreeMap<Option<String>, AtomicBool>,
}

impl Synced {
    /// For these namespaces; for all when there is none.
    pub(super) fn new(namespaces: &[Option<String>]) -> Self {
        Self {
            scopes: namespaces.iter().map(|namespace| (namespace.clone(), AtomicBool::default())).collect(),
        }
    }

    /// Says that the first list of a scope is complete.
    pub fn complete(&self, namespace: Option<&str>) {
        if let Some(synced) = self.scopes.get(&namespace.map(str::to_owned)) {
            synced.store(true, Ordering::Release);
        }
    }

    /// Whether the facts about a namespace are complete.
    #[must_use]
    pub fn is_complete(&self, namespace: &str) -> bool {
        let synced = self.scopes.get(&None).or_else(|| self.scopes.get(&Some(namespace.to_owned())));
        synced.is_some_and(|synced| synced.load(Ordering::Acquire))
    }
}
