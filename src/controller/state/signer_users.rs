//! Which `PresignedUrl`s use which signer, and what it says about each of them. A change of the signer
//! wakes them, and its status counts them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::crd::SignerKind;
use crate::domain::reason::FailureReason;
use crate::domain::resolve::Permission;
use crate::domain::signer::SignerId;
use crate::runtime::Key;
use crate::runtime::lock::Lock;

/// The users of all signers, also of those that do not exist.
#[derive(Debug, Default)]
pub struct SignerUsers {
    index: Lock<UserIndex>,
}

#[derive(Debug, Default)]
struct UserIndex {
    by_signer: HashMap<Arc<SignerId>, BTreeMap<Key, SignerAnswer>>,
    by_object: BTreeMap<Key, Arc<SignerId>>,
}

/// What a signer says about an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignerAnswer {
    /// The object may use the signer.
    Allowed,
    /// The policy denies it, or would deny it if it were enforced.
    Denied,
    /// The signer cannot be asked, or does not serve the namespace.
    Unserved,
}

impl From<&Permission> for SignerAnswer {
    fn from(permission: &Permission) -> Self {
        match permission {
            Permission::NotNeeded | Permission::Allowed { .. } => Self::Allowed,
            Permission::Denied { problem, .. } if problem.reason == FailureReason::SignerNotFound => {
                Self::Unserved
            }
            Permission::Audited { .. } | Permission::Denied { .. } => Self::Denied,
        }
    }
}

impl SignerUsers {
    /// Records which signer an object is about to ask, so that a change of the signer wakes it from now on.
    pub fn begin(&self, object: &Key, id: &SignerId) {
        let is_known = self.index.read().by_object.get(object).is_some_and(|known| **known == *id);
        if !is_known {
            self.set(object, Some((id, SignerAnswer::Unserved)));
        }
    }

    /// Records which signer an object uses, and what that says. Returns whether anything is new.
    pub fn set(&self, object: &Key, used: Option<(&SignerId, SignerAnswer)>) -> bool {
        let mut index = self.index.write();
        let before = index.by_object.get(object).cloned();
        if let (Some(before), Some((id, answer))) = (&before, used)
            && **before == *id
        {
            let users = index.by_signer.get_mut(before);
            let slot = users.and_then(|users| users.get_mut(object));
            return slot.is_some_and(|slot| std::mem::replace(slot, answer) != answer);
        }
        if let Some(before) = &before {
            index.by_object.remove(object);
            if let Some(users) = index.by_signer.get_mut(before) {
                users.remove(object);
                if users.is_empty() {
                    index.by_signer.remove(before);
                }
            }
        }
        let Some((id, answer)) = used else { return before.is_some() };
        let known = index.by_signer.get_key_value(id).map(|(known, _)| known.clone());
        let id = known.unwrap_or_else(|| Arc::new(id.clone()));
        index.by_signer.entry(id.clone()).or_default().insert(object.clone(), answer);
        index.by_object.insert(object.clone(), id);
        true
    }

    /// The objects that use a signer.
    #[must_use]
    pub fn of(&self, id: &SignerId) -> Vec<Key> {
        self.index.read().by_signer.get(id).map(|users| users.keys().cloned().collect()).unwrap_or_default()
    }

    /// Whether an object uses a signer.
    #[must_use]
    pub fn is_used(&self, id: &SignerId) -> bool {
        self.index.read().by_signer.contains_key(id)
    }

    /// The objects that use a signer of a kind.
    #[must_use]
    pub fn of_kind(&self, kind: SignerKind) -> Vec<Key> {
        let index = self.index.read();
        let users = index.by_signer.iter().filter(|(id, _)| id.kind == kind);
        users.flat_map(|(_, users)| users.keys().cloned()).collect()
    }

    /// The objects of a namespace that use any signer.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Vec<Key> {
        let index = self.index.read();
        let from = index.by_object.range(Key::new(namespace, "")..);
        from.map(|(key, _)| key).take_while(|key| key.namespace() == namespace).cloned().collect()
    }

    /// How many objects a signer allows and denies.
    #[must_use]
    pub fn counts(&self, id: &SignerId) -> (i64, i64) {
        let index = self.index.read();
        let users = index.by_signer.get(id).into_iter().flat_map(BTreeMap::values);
        users.fold((0, 0), |(allowed, denied), answer| match answer {
            SignerAnswer::Allowed => (allowed + 1, denied),
            SignerAnswer::Denied => (allowed, denied + 1),
            SignerAnswer::Unserved => (allowed, denied),
        })
    }

    /// How many objects are denied.
    #[must_use]
    pub fn denied(&self) -> i64 {
        let index = self.index.read();
        let users = index.by_signer.values().flat_map(BTreeMap::values);
        users.filter(|answer| **answer == SignerAnswer::Denied).map(|_| 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_forgets_users() {
        let users = SignerUsers::default();
        let id = |name: &str| SignerId {
            kind: SignerKind::ClusterSigner,
            namespace: String::new(),
            name: name.to_owned(),
        };
        let (a, b) = (Key::new("n", "a"), Key::new("m", "b"));
        assert!(users.set(&a, Some((&id("x"), SignerAnswer::Allowed))));
        assert!(!users.set(&a, Some((&id("x"), SignerAnswer::Allowed))));
        assert!(users.set(&b, Some((&id("x"), SignerAnswer::Denied))));
        assert_eq!((users.counts(&id("x")), users.denied()), ((1, 1), 1));
        assert_eq!(users.of(&id("x")), [b.clone(), a.clone()]);
        assert_eq!(users.in_namespace("n"), std::slice::from_ref(&a));
        assert!(users.set(&a, Some((&id("y"), SignerAnswer::Unserved))));
        assert_eq!((users.counts(&id("x")), users.counts(&id("y"))), ((0, 1), (0, 0)));
        assert!(users.set(&b, None) && !users.set(&b, None));
        assert!(users.of(&id("x")).is_empty() && users.index.read().by_signer.len() == 1);
    }
}
