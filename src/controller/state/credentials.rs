//! The credentials Secrets, each read once and kept until it changes or nobody names it.
//!
//! Only Secrets that some `PresignedUrl` names are ever read. What they hold is parsed
//! anew at each use, since objects may name different keys of one Secret.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::ByteString;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::controller::context::Context;
use crate::domain::credentials::{InvalidCredentials, usable};
use crate::domain::stored::resource_version;
use crate::runtime::key::Key;
use crate::runtime::lock::Lock;

/// The data of a credentials Secret at one version.
pub struct SecretData {
    /// The bytes by key, or why none are taken from it; absent when there is no such Secret.
    pub data: Option<Result<BTreeMap<String, ByteString>, InvalidCredentials>>,
    /// Its resource version; 0 when there is none.
    pub resource_version: u64,
    /// When it was asked for.
    read: Instant,
}

type Slot = Arc<OnceCell<Arc<SecretData>>>;

/// One slot a Secret: however many reconciles want it, it is read once.
#[derive(Default)]
pub struct CredentialsCache {
    slots: Lock<HashMap<Key, Slot>>,
}

impl CredentialsCache {
    /// What the Secret holds, read now unless it is known.
    ///
    /// # Errors
    /// What the API server or the way to it answered. Nothing is kept then.
    pub async fn get(&self, ctx: &Context, key: &Key) -> Result<Arc<SecretData>, kube::Error> {
        let slot = self.slots.write().entry(key.clone()).or_default().clone();
        slot.get_or_try_init(|| read(ctx, key)).await.cloned()
    }

    /// What the Secret holds, as far as that is known.
    #[must_use]
    pub fn known(&self, key: &Key) -> Option<Arc<SecretData>> {
        self.slots.read().get(key)?.get().cloned()
    }

    /// Lets go of what is known of a Secret that now stands at `version` (0: gone), and
    /// says whether there was anything to let go of. A read under way ends up in a slot
    /// that nobody asks any more.
    pub fn invalidate(&self, key: &Key, version: u64) -> bool {
        let is_current = |slot: &Slot| slot.get().is_some_and(|known| known.resource_version == version);
        if self.slots.read().get(key).is_none_or(is_current) {
            return false;
        }
        self.slots.write().remove(key).is_some()
    }

    /// Lets go of what was asked for before then, and says whether there was such. A read
    /// under way is for everybody who waits for it.
    pub fn drop_older(&self, key: &Key, then: Instant) -> bool {
        let is_older = |slot: &Slot| slot.get().is_some_and(|known| known.read < then);
        let mut slots = self.slots.write();
        slots.get(key).is_some_and(is_older) && slots.remove(key).is_some()
    }

    /// Lets go of a Secret that nobody names any more.
    pub fn evict(&self, key: &Key) {
        let mut slots = self.slots.write();
        slots.remove(key);
        if slots.len() < slots.capacity() / 4 {
            slots.shrink_to_fit();
        }
    }

    /// Lets go of everything.
    pub fn clear(&self) {
        self.slots.write().clear();
    }

    /// Every Secret that is known or being read.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        self.slots.read().keys().cloned().collect()
    }
}

async fn read(ctx: &Context, key: &Key) -> Result<Arc<SecretData>, kube::Error> {
    let read = Instant::now();
    let secret = ctx.secrets(key.namespace()).get_opt(key.name()).await?;
    Ok(Arc::new(match secret {
        None => SecretData { data: None, resource_version: 0, read },
        Some(secret) => SecretData {
            resource_version: resource_version(secret.metadata.resource_version.as_deref()),
            data: Some(
                usable(secret.type_.as_deref(), secret.metadata.labels.as_ref())
                    .map(|()| secret.data.unwrap_or_default())
                    .map_err(|why| InvalidCredentials::Unusable { secret: key.name().to_owned(), why }),
            ),
            read,
        },
    }))
}
