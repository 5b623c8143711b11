//! The credentials Secrets, each read once and kept until it changes or nobody names it.
//!
//! Only Secrets that some `PresignedUrl` names are ever read. What they hold is parsed
//! anew at each use, since objects may name different keys of one Secret.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::ByteString;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use zeroize::Zeroize as _;

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

impl Drop for SecretData {
    fn drop(&mut self) {
        if let Some(Ok(data)) = &mut self.data {
            overwrite(data);
        }
    }
}

/// Leaves none of the keys behind in memory that was given back.
fn overwrite(data: &mut BTreeMap<String, ByteString>) {
    for ByteString(bytes) in data.values_mut() {
        bytes.zeroize();
    }
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
    let Some(secret) = secret else {
        return Ok(Arc::new(SecretData { data: None, resource_version: 0, read }));
    };
    let mut data = secret.data.unwrap_or_default();
    let data = match usable(secret.type_.as_deref(), secret.metadata.labels.as_ref()) {
        Ok(()) => Ok(data),
        Err(why) => {
            overwrite(&mut data);
            Err(InvalidCredentials::Unusable { secret: key.name().to_owned(), why })
        }
    };
    let resource_version = resource_version(secret.metadata.resource_version.as_deref());
    Ok(Arc::new(SecretData { data: Some(data), resource_version, read }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_overwritten() {
        let mut data = BTreeMap::from([("key".to_owned(), ByteString(b"secret".to_vec()))]);
        let before = data["key"].0.as_ptr();
        overwrite(&mut data);
        assert_eq!((data["key"].0.as_ptr(), data["key"].0.len()), (before, 0));
    }
}
