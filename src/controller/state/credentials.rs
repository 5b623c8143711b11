//! The credentials Secrets, each read once and kept until it changes.
//!
//! Only Secrets that some `PresignedUrl` names are ever read. What they hold is parsed
//! anew at each use, since objects may name different keys of one Secret.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::ByteString;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::controller::context::Context;
use crate::controller::state::issued_secrets::SecretKey;
use crate::domain::stored::resource_version;

/// The data of a credentials Secret at one version.
pub struct SecretData {
    /// The bytes by key; absent when there is no such Secret.
    pub data: Option<BTreeMap<String, ByteString>>,
    /// Its resource version; 0 when there is none.
    pub resource_version: u64,
    /// When it was asked for.
    read: Instant,
}

type Slot = Arc<OnceCell<Arc<SecretData>>>;

/// One slot a Secret: however many passes want it, it is read once.
#[derive(Default)]
pub struct CredentialsCache {
    slots: Mutex<HashMap<SecretKey, Slot>>,
}

impl CredentialsCache {
    /// What the Secret holds, read now unless it is known.
    ///
    /// # Errors
    /// What the API server or the way to it answered. Nothing is kept then.
    pub async fn get(&self, ctx: &Context, key: &SecretKey) -> Result<Arc<SecretData>, kube::Error> {
        let slot = self.lock().entry(key.clone()).or_default().clone();
        slot.get_or_try_init(|| read(ctx, key)).await.cloned()
    }

    /// Whether the Secret needs no reading.
    #[must_use]
    pub fn is_known(&self, key: &SecretKey) -> bool {
        self.lock().get(key).is_some_and(|slot| slot.initialized())
    }

    /// Lets go of what is known of a Secret that now stands at `version` (0: gone), and
    /// says whether there was anything to let go of. A read under way ends up in a slot
    /// that nobody asks any more.
    pub fn invalidate(&self, key: &SecretKey, version: u64) -> bool {
        let mut slots = self.lock();
        let is_current = |slot: &Slot| slot.get().is_some_and(|known| known.resource_version == version);
        if slots.get(key).is_none_or(is_current) {
            return false;
        }
        slots.remove(key).is_some()
    }

    /// Lets go of what was asked for before then, and says whether there was such. A read
    /// under way is for everybody who waits for it.
    pub fn drop_older(&self, key: &SecretKey, then: Instant) -> bool {
        let mut slots = self.lock();
        let is_older = |slot: &Slot| slot.get().is_some_and(|known| known.read < then);
        slots.get(key).is_some_and(is_older) && slots.remove(key).is_some()
    }

    /// Lets go of everything.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Every Secret that is known or being read.
    #[must_use]
    pub fn keys(&self) -> Vec<SecretKey> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SecretKey, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(ctx: &Context, key: &SecretKey) -> Result<Arc<SecretData>, kube::Error> {
    let turn = ctx.turn(ctx.clock.now().as_second()).await;
    let _turn = turn.map_err(|error| kube::Error::Service(error.into()))?;
    let read = Instant::now();
    let secret = ctx.secrets(&key.namespace).get_opt(&key.name).await?;
    Ok(Arc::new(match secret {
        None => SecretData { data: None, resource_version: 0, read },
        Some(secret) => SecretData {
            resource_version: resource_version(secret.metadata.resource_version.as_deref()),
            data: Some(secret.data.unwrap_or_default()),
            read,
        },
    }))
}
