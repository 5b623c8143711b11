//! What one operator watches: all namespaces at once, or some, each on its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::runtime::Key;

/// What one set of watches shows.
pub type Scope = usize;

/// The scopes of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scopes {
    /// The scope of each namespace; empty where one scope is all there is.
    by_namespace: Arc<BTreeMap<String, Scope>>,
}

impl Scopes {
    /// A scope for each of these namespaces; one for all when there is none.
    #[must_use]
    pub fn new(namespaces: &[String]) -> Self {
        let by_namespace = namespaces.iter().cloned().zip(0..).collect();
        Self { by_namespace: Arc::new(by_namespace) }
    }

    /// Every scope, with the namespace that it is for; `None` for all.
    pub fn all(&self) -> Vec<(Scope, Option<String>)> {
        if self.by_namespace.is_empty() {
            return vec![(0, None)];
        }
        self.by_namespace.iter().map(|(namespace, scope)| (*scope, Some(namespace.clone()))).collect()
    }

    /// The scope that an object is in.
    #[must_use]
    pub fn of(&self, key: &Key) -> Scope {
        self.of_namespace(key.namespace())
    }

    /// The scope that a namespace is in.
    #[must_use]
    pub fn of_namespace(&self, namespace: &str) -> Scope {
        self.by_namespace.get(namespace).copied().unwrap_or_default()
    }
}
