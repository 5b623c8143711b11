//! A snapshot of the caches, for tests that compare them with the API server. No endpoint serves it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::controller::context::Context;
use crate::runtime::Key;

/// A handle on the caches of the controller.
#[derive(Clone)]
pub struct Memory(pub(super) Arc<Context>);

/// The objects in the caches at one time.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Snapshot {
    /// The `PresignedUrl`s.
    pub presigned_urls: Vec<CachedObject>,
    /// The Secrets in the cache of issued Secrets: those that carry our label.
    pub secrets: Vec<CachedObject>,
}

/// One object in a cache.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct CachedObject {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// UID of the object.
    pub uid: String,
    /// The resource version that the cache holds.
    pub resource_version: u64,
}

impl Memory {
    /// Takes a snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let cached = |all: Vec<(Key, String, u64)>| all.into_iter().map(CachedObject::from).collect();
        Snapshot {
            presigned_urls: cached(self.0.objects.versions()),
            secrets: cached(self.0.issued_secrets.versions()),
        }
    }
}

impl From<(Key, String, u64)> for CachedObject {
    fn from((key, uid, resource_version): (Key, String, u64)) -> Self {
        let (namespace, name) = (key.namespace().to_owned(), key.name().to_owned());
        Self { namespace, name, uid, resource_version }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}
