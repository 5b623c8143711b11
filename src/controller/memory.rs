//! A snapshot of what the controller holds in memory, for tests that compare it with the API
//! server. Nothing serves it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::controller::context::Context;
use crate::runtime::Key;

/// A handle on what the controller holds in memory.
#[derive(Clone)]
pub struct Memory(pub(super) Arc<Context>);

/// What the controller held at one time.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Snapshot {
    /// The `PresignedUrl`s.
    pub presigned_urls: Vec<HeldObject>,
    /// The Secrets that it looks at as targets: those that carry its label.
    pub secrets: Vec<HeldObject>,
}

/// One object as it is held.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct HeldObject {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The version that is held.
    pub resource_version: u64,
}

impl Memory {
    /// What is held now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let held = |all: Vec<(Key, String, u64)>| all.into_iter().map(HeldObject::from).collect();
        Snapshot {
            presigned_urls: held(self.0.objects.versions()),
            secrets: held(self.0.issued_secrets.versions()),
        }
    }
}

impl From<(Key, String, u64)> for HeldObject {
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
