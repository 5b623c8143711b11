//! The scopes that this operator watches: one for all namespaces, or one for each given namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::runtime::Key;

/// The number of a scope: what one set of watches shows.
pub type Scope = usize;

/// The scopes of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scopes {
    /// The scope of each namespace; empty when one scope covers all namespaces.
    by_namespace: Arc<BTreeMap<String, Scope>>,
    /// The namespace with the credentials of `ClusterSigner`s and its scope, if no other scope has it.
    of_signers: Option<Arc<(String, Scope)>>,
}

impl Scopes {
    /// One scope for each of these namespaces; a single one for all namespaces when the list is empty.
    #[must_use]
    pub fn new(namespaces: &[String]) -> Self {
        let by_namespace = namespaces.iter().cloned().zip(0..).collect();
        Self { by_namespace: Arc::new(by_namespace), of_signers: None }
    }

    /// The same with a scope for the namespace with the credentials of `ClusterSigner`s.
    #[must_use]
    pub fn with_signers(self, namespace: &str) -> Self {
        let is_covered = self.by_namespace.is_empty() || self.by_namespace.contains_key(namespace);
        let scope = self.by_namespace.len();
        Self { of_signers: (!is_covered).then(|| Arc::new((namespace.to_owned(), scope))), ..self }
    }

    /// The scope with the credentials of `ClusterSigner`s and its namespace, if no other scope has it.
    /// No `PresignedUrl`s are watched in it.
    #[must_use]
    pub fn of_signers(&self) -> Option<(Scope, String)> {
        self.of_signers.as_ref().map(|of_signers| (of_signers.1, of_signers.0.clone()))
    }

    /// Every scope with its namespace; `None` when it covers all namespaces.
    pub fn all(&self) -> Vec<(Scope, Option<String>)> {
        if self.by_namespace.is_empty() {
            return vec![(0, None)];
        }
        self.by_namespace.iter().map(|(namespace, scope)| (*scope, Some(namespace.clone()))).collect()
    }

    /// Whether the `PresignedUrl`s and the `Signer`s of a namespace are watched.
    #[must_use]
    pub fn covers(&self, namespace: &str) -> bool {
        self.by_namespace.is_empty() || self.by_namespace.contains_key(namespace)
    }

    /// The scope of an object.
    #[must_use]
    pub fn of(&self, key: &Key) -> Scope {
        self.of_namespace(key.namespace())
    }

    #[must_use]
    pub fn of_namespace(&self, namespace: &str) -> Scope {
        let of_signers = || self.of_signers.as_ref().filter(|of_signers| of_signers.0 == namespace);
        self.by_namespace.get(namespace).copied().or_else(|| Some(of_signers()?.1)).unwrap_or_default()
    }
}
