//! What one operator looks after: all namespaces at once, or some, each on its own.
//!
//! Each scope has watches of its own, so that one that may not be watched holds up no other.
//! What they fill is shared.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use crate::controller::context::Context;
use crate::controller::watch;
use crate::controller::watch::by_name::look_at_credentials;
use crate::runtime::Probes;

/// Starts the watches of one namespace, or of all when it has no name, among `watches`.
pub(in crate::controller) fn watch(
    ctx: &Arc<Context>,
    namespace: Option<&str>,
    probes: &Probes,
    watches: &mut JoinSet<()>,
) {
    let place = namespace.map(|namespace| format!(" in {namespace}")).unwrap_or_default();
    let check = |what: &str| probes.check(&format!("watch of {what}{place}"));
    let scope = || (ctx.clone(), namespace.map(str::to_owned));
    let (context, own) = scope();
    if ctx.reads_by_name() {
        ctx.synced.complete(namespace, Listed::Ours);
        watches.spawn(look_at_credentials(context, own));
    } else {
        watches.spawn(watch::follow_ours(context, own, check("our Secrets")));
        let (context, own) = scope();
        watches.spawn(watch::follow_others(context, own, check("other Secrets")));
    }
    let (context, own) = scope();
    watches.spawn(watch::follow_objects(context, own, check("PresignedUrls")));
}

/// Which scopes have shown all that they hold. Before that a pass would not know the most
/// urgent object, would have to look for its Secret, and would be in the way of the lists.
#[derive(Debug)]
pub struct Synced {
    scopes: BTreeMap<Option<String>, Lists>,
}

/// The lists of one scope that passes rest on.
#[derive(Debug, Default)]
struct Lists {
    objects: AtomicBool,
    ours: AtomicBool,
}

/// One of these lists.
#[derive(Clone, Copy, Debug)]
pub enum Listed {
    /// The `PresignedUrl`s.
    Objects,
    /// The facts about our Secrets.
    Ours,
}

impl Synced {
    /// For these namespaces; for all when there is none.
    pub(in crate::controller) fn new(namespaces: &[Option<String>]) -> Self {
        Self { scopes: namespaces.iter().map(|namespace| (namespace.clone(), Lists::default())).collect() }
    }

    /// Says that a list of a scope is complete, and answers whether that was the last one
    /// that had never been.
    pub fn complete(&self, namespace: Option<&str>, listed: Listed) -> bool {
        let Some(lists) = self.scopes.get(&namespace.map(str::to_owned)) else { return false };
        let list = match listed {
            Listed::Objects => &lists.objects,
            Listed::Ours => &lists.ours,
        };
        !list.swap(true, Ordering::SeqCst) && lists.are_complete()
    }

    /// Whether everything in a namespace is known.
    #[must_use]
    pub fn is_complete(&self, namespace: &str) -> bool {
        let lists = self.scopes.get(&None).or_else(|| self.scopes.get(&Some(namespace.to_owned())));
        lists.is_some_and(Lists::are_complete)
    }
}

impl Lists {
    fn are_complete(&self) -> bool {
        self.objects.load(Ordering::SeqCst) && self.ours.load(Ordering::SeqCst)
    }
}
