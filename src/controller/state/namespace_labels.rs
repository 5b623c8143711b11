//! The labels of the namespaces, for signers that choose namespaces by their labels.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::domain::signer::Labels;
use crate::runtime::lock::Lock;

/// The labels of each namespace.
#[derive(Debug, Default)]
pub struct NamespaceLabels {
    /// `None` until a first list is complete.
    by_namespace: Lock<Option<HashMap<String, Arc<Labels>>>>,
    listing: Lock<HashMap<String, Arc<Labels>>>,
}

impl NamespaceLabels {
    /// The labels of a namespace; `None` if they are not known.
    #[must_use]
    pub fn get(&self, namespace: &str) -> Option<Arc<Labels>> {
        self.by_namespace.read().as_ref()?.get(namespace).cloned()
    }

    pub fn begin_list(&self) {
        self.listing.write().clear();
    }

    /// Stores the labels of a namespace that a list showed.
    pub fn list(&self, namespace: String, labels: Labels) {
        self.listing.write().insert(namespace, Arc::new(labels));
    }

    /// Ends the list, and returns the namespaces whose labels are new or gone.
    pub fn end_list(&self) -> Vec<String> {
        let listed = std::mem::take(&mut *self.listing.write());
        let mut by_namespace = self.by_namespace.write();
        let before = by_namespace.take().unwrap_or_default();
        let names: HashSet<&String> = before.keys().chain(listed.keys()).collect();
        let is_new = |name: &&String| before.get(*name) != listed.get(*name);
        let changed = names.into_iter().filter(is_new).cloned().collect();
        *by_namespace = Some(listed);
        changed
    }

    /// Stores the labels of a namespace, and returns whether they are new.
    pub fn observe(&self, namespace: String, labels: Labels) -> bool {
        let mut by_namespace = self.by_namespace.write();
        // Before a first list is complete, other namespaces would seem to have no labels.
        let Some(all) = by_namespace.as_mut() else { return false };
        let is_new = all.get(&namespace).is_none_or(|before| **before != labels);
        all.insert(namespace, Arc::new(labels));
        is_new
    }

    pub fn remove(&self, namespace: &str) {
        if let Some(all) = self.by_namespace.write().as_mut() {
            all.remove(namespace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_whose_labels_changed() {
        let labels = |value: &str| Labels::from([("team".to_owned(), value.to_owned())]);
        let cache = NamespaceLabels::default();
        assert_eq!(cache.get("a"), None);
        assert!(!cache.observe("a".to_owned(), labels("x")) && cache.get("a").is_none());
        cache.begin_list();
        cache.list("a".to_owned(), labels("x"));
        assert_eq!(cache.get("a"), None, "a list that is not complete shows nothing");
        assert_eq!(cache.end_list(), ["a"]);
        assert!(!cache.observe("a".to_owned(), labels("x")) && cache.observe("a".to_owned(), labels("y")));
        cache.begin_list();
        assert_eq!(cache.end_list(), ["a"]);
        assert_eq!(cache.get("a"), None);
    }
}
