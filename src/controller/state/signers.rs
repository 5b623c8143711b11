//! The cache of the signers, which their watches fill.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::Notify;

use super::scopes::Scope;
use crate::crd::{SignerKind, SignerStatus};
use crate::domain::signer::{ParsedSigner, SignerId};
use crate::domain::stored::Digest;
use crate::runtime::Key;
use crate::runtime::lock::Lock;

/// A signer as its watch showed it.
#[derive(Debug)]
pub struct CachedSigner {
    pub uid: String,
    /// Generation of its spec.
    pub generation: Option<i64>,
    pub resource_version: Option<String>,
    /// Digest of its spec.
    pub digest: Digest,
    /// The parsed spec, or why it is not valid.
    pub parsed: Result<Arc<ParsedSigner>, String>,
    pub status: SignerStatus,
}

/// What is known about the signer that a spec names.
#[derive(Clone, Debug)]
pub enum FoundSigner {
    /// There is no such signer.
    Missing,
    /// The signers of its kind cannot be watched, for this reason.
    Unreadable(&'static str),
    Found(Arc<CachedSigner>),
}

/// All signers in the watched scopes.
#[derive(Debug, Default)]
pub struct Signers {
    all: Lock<HashMap<SignerId, Arc<CachedSigner>>>,
    unreadable: Lock<HashMap<(SignerKind, Scope), &'static str>>,
    changed: Notify,
}

impl Signers {
    /// A signer, which the watch of this scope shows.
    #[must_use]
    pub fn find(&self, id: &SignerId, scope: Scope) -> FoundSigner {
        if let Some(cached) = self.get(id) {
            return FoundSigner::Found(cached);
        }
        let unreadable = self.unreadable.read();
        unreadable.get(&(id.kind, scope)).map_or(FoundSigner::Missing, |why| FoundSigner::Unreadable(why))
    }

    /// A signer as the cache holds it.
    #[must_use]
    pub fn get(&self, id: &SignerId) -> Option<Arc<CachedSigner>> {
        self.all.read().get(id).cloned()
    }

    /// Whether a signer is still the one that was found.
    #[must_use]
    pub fn is_current(&self, parsed: &Arc<ParsedSigner>) -> bool {
        let all = self.all.read();
        let now = all.get(&parsed.id).and_then(|cached| cached.parsed.as_ref().ok());
        now.is_some_and(|now| Arc::ptr_eq(now, parsed))
    }

    /// Stores a signer that the watch showed, and returns whether anything but its status is new.
    pub fn observe(&self, id: SignerId, mut cached: CachedSigner) -> bool {
        let mut all = self.all.write();
        let before = all.get(&id).filter(|before| {
            before.uid == cached.uid
                && before.generation == cached.generation
                && before.digest == cached.digest
        });
        let is_new = match before {
            Some(before) => {
                cached.parsed.clone_from(&before.parsed);
                false
            }
            None => true,
        };
        all.insert(id, Arc::new(cached));
        drop(all);
        self.wake();
        is_new
    }

    /// Removes a signer, and returns whether the cache held it.
    pub fn remove(&self, id: &SignerId) -> bool {
        let was_held = self.all.write().remove(id).is_some();
        self.wake();
        was_held
    }

    /// Records that the signers of a kind in a scope cannot be watched, for this reason, or that they can.
    pub fn set_unreadable(&self, kind: SignerKind, scope: Scope, why: Option<&'static str>) {
        let mut unreadable = self.unreadable.write();
        match why {
            Some(why) => drop(unreadable.insert((kind, scope), why)),
            None => drop(unreadable.remove(&(kind, scope))),
        }
    }

    /// The signers of a kind, and of these namespaces only.
    #[must_use]
    pub fn ids(&self, kind: SignerKind, is_in: impl Fn(&str) -> bool) -> BTreeSet<SignerId> {
        let all = self.all.read();
        all.keys().filter(|id| id.kind == kind && is_in(&id.namespace)).cloned().collect()
    }

    /// Every signer.
    #[must_use]
    pub fn all(&self) -> Vec<(SignerId, Arc<CachedSigner>)> {
        self.all.read().iter().map(|(id, cached)| (id.clone(), cached.clone())).collect()
    }

    /// Wakes the writer of the signers' statuses.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Resolves when something changed that the status of a signer may show.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// How the index of dependents names a signer, whose credentials it depends on. No object in Kubernetes
/// has a colon in its name.
#[must_use]
pub fn dependent(id: &SignerId) -> Key {
    Key::new(&id.namespace, &format!("{}:{}", id.kind, id.name))
}

/// Whether a dependent is a signer.
#[must_use]
pub fn is_signer(dependent: &Key) -> bool {
    dependent.name().contains(':')
}
