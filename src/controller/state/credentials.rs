//! The cache of credentials. Each credentials Secret is read once, and kept until it changes or until
//! no object names it.
//!
//! Only Secrets that some `PresignedUrl` names are read. The cache keeps the access key and nothing
//! else: a Secret can hold a megabyte, an access key at most 8 KiB.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroize as _;

use crate::controller::context::Context;
use crate::controller::state::dependents::Dependents;
use crate::crd::CredentialsSecretRef;
use crate::domain::credentials::{InvalidCredentials, usable};
use crate::domain::stored::resource_version;
use crate::domain::{Credentials, Request};
use crate::runtime::key::Key;
use crate::runtime::lock::Lock;

/// The credentials in a Secret at one resource version.
pub struct KnownCredentials {
    /// The credentials, or why the Secret holds none; `None` when there is no such Secret.
    pub credentials: Option<Result<Arc<Credentials>, InvalidCredentials>>,
    /// The resource version of the Secret; 0 when there is no such Secret.
    pub resource_version: u64,
    /// When the read of the Secret began.
    read: Instant,
}

/// Which keys an object reads from a credentials Secret, and whether its spec has an endpoint.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct KeySelection {
    reference: CredentialsSecretRef,
    has_endpoint: bool,
}

/// The credentials of each Secret. A Secret is read once, however many reconciles need it and whichever
/// keys they name.
#[derive(Default)]
pub struct CredentialsCache {
    secrets: Lock<HashMap<Key, KnownSecret>>,
}

/// What the cache holds of one Secret.
#[derive(Default)]
struct KnownSecret {
    /// The selections that objects asked for. Those without a value are filled by the next read, which
    /// serves all of them.
    selections: HashMap<KeySelection, Option<Arc<KnownCredentials>>>,
    /// The lowest and the highest version of what was dropped; all versions if a read was under way.
    /// An object may have signed with a dropped version, and is woken when the Secret is at another
    /// one.
    dropped: Option<(u64, u64)>,
    /// Locked by the reconcile that reads the Secret. When the Secret changes meanwhile, a new lock
    /// takes its place, because the read may return the old version.
    reader: Arc<Mutex<()>>,
}

impl KnownSecret {
    fn is_being_read(&self) -> bool {
        self.reader.try_lock().is_err()
    }

    /// Whether every reconcile that was given credentials of this Secret got those of this version.
    fn is_at(&self, version: u64) -> bool {
        !self.is_being_read()
            && self.dropped.is_none_or(|dropped| dropped == (version, version))
            && self.selections.values().flatten().all(|known| known.resource_version == version)
    }

    /// Drops what `is_kept` rejects, and returns whether anything was dropped.
    fn retain(&mut self, is_kept: impl Fn(&KnownCredentials) -> bool) -> bool {
        let mut is_any_gone = false;
        for known in self.selections.values_mut() {
            if let Some(known) = known.take_if(|known| !is_kept(known)) {
                note_dropped(&mut self.dropped, (known.resource_version, known.resource_version));
                is_any_gone = true;
            }
        }
        is_any_gone
    }

    /// Drops selections until there is room for one more; `most` is the limit.
    fn make_room(&mut self, most: usize) {
        while self.selections.len() >= most
            && let Some(any) = self.selections.keys().next().cloned()
        {
            match self.selections.remove(&any).flatten() {
                Some(known) => {
                    note_dropped(&mut self.dropped, (known.resource_version, known.resource_version));
                }
                None if self.is_being_read() => note_dropped(&mut self.dropped, (0, u64::MAX)),
                None => {}
            }
        }
    }
}

fn note_dropped(dropped: &mut Option<(u64, u64)>, (low, high): (u64, u64)) {
    let (lowest, highest) = dropped.unwrap_or((low, high));
    *dropped = Some((lowest.min(low), highest.max(high)));
}

impl KeySelection {
    fn of(request: &Request) -> Self {
        Self { reference: request.credentials.clone(), has_endpoint: request.connection.endpoint.is_some() }
    }
}

impl CredentialsCache {
    /// The credentials for a request. Reads the Secret unless the cache holds them.
    ///
    /// # Errors
    /// The failure of the read. The cache keeps nothing in that case.
    pub async fn get(
        &self,
        ctx: &Context,
        key: &Key,
        request: &Request,
    ) -> Result<Arc<KnownCredentials>, kube::Error> {
        let selection = KeySelection::of(request);
        loop {
            let Some(reader) = self.ask(&ctx.dependents, key, &selection) else {
                return Ok(ReadSecret::read(ctx, key).await?.of(key, &selection));
            };
            let _turn = reader.lock().await;
            // Another reconcile may have read the Secret meanwhile, and it may have changed since.
            if let Some(known) = self.known(key, request) {
                return Ok(known);
            }
            if self.is_reader(key, &reader) {
                let answer = ReadSecret::read(ctx, key).await?;
                return Ok(self.fill(key, &reader, &answer, &selection).await);
            }
        }
    }

    /// Asks for a selection, and returns the lock for reading the Secret; `None` when no object depends
    /// on the Secret any more, so that nothing may be kept.
    ///
    /// The cache keeps at most twice as many selections of a Secret as objects depend on it. An object
    /// that keeps naming other keys therefore evicts few selections of the others.
    fn ask(&self, dependents: &Dependents, key: &Key, selection: &KeySelection) -> Option<Arc<Mutex<()>>> {
        let mut secrets = self.secrets.write();
        // `dependents` forgets a Secret before this cache evicts it, so the count is right here.
        let count = dependents.count(key);
        if count == 0 {
            return None;
        }
        let known = secrets.entry(key.clone()).or_default();
        if !known.selections.contains_key(selection) {
            known.make_room(2 * count);
            known.selections.insert(selection.clone(), None);
        }
        Some(Arc::clone(&known.reader))
    }

    fn is_reader(&self, key: &Key, reader: &Arc<Mutex<()>>) -> bool {
        self.secrets.read().get(key).is_some_and(|known| Arc::ptr_eq(&known.reader, reader))
    }

    /// Stores an answer for all selections that were asked for, unless the answer may be old, and
    /// returns the credentials of one selection.
    async fn fill(
        &self,
        key: &Key,
        reader: &Arc<Mutex<()>>,
        answer: &ReadSecret,
        selection: &KeySelection,
    ) -> Arc<KnownCredentials> {
        let mut read = HashMap::new();
        for selection in self.asked(key) {
            let known = answer.of(key, &selection);
            read.insert(selection, known);
            // A thousand selections of a large Secret must not block other tasks.
            tokio::task::yield_now().await;
        }
        let mut secrets = self.secrets.write();
        if let Some(known) = secrets.get_mut(key).filter(|known| Arc::ptr_eq(&known.reader, reader)) {
            for (selection, slot) in known.selections.iter_mut().filter(|(_, slot)| slot.is_none()) {
                *slot = read.get(selection).cloned();
            }
        }
        read.remove(selection).unwrap_or_else(|| answer.of(key, selection))
    }

    /// The selections of a Secret that were asked for and have no value yet.
    fn asked(&self, key: &Key) -> Vec<KeySelection> {
        let secrets = self.secrets.read();
        let selections = secrets.get(key).into_iter().flat_map(|known| &known.selections);
        selections.filter(|(_, known)| known.is_none()).map(|(selection, _)| selection.clone()).collect()
    }

    /// The credentials for a request; `None` when the cache does not hold them.
    #[must_use]
    pub fn known(&self, key: &Key, request: &Request) -> Option<Arc<KnownCredentials>> {
        self.secrets.read().get(key)?.selections.get(&KeySelection::of(request))?.clone()
    }

    /// Drops what the cache holds of a Secret that is now at `version` (0: deleted), and returns whether
    /// a reconcile may have got another version. A read under way is not kept; only the reconcile that
    /// reads gets its result.
    pub fn invalidate(&self, key: &Key, version: u64) -> bool {
        if self.secrets.read().get(key).is_none_or(|known| known.is_at(version)) {
            return false;
        }
        let mut secrets = self.secrets.write();
        let Some(known) = secrets.get_mut(key) else { return false };
        known.retain(|known| known.resource_version == version);
        known.dropped = None;
        known.reader = Arc::default();
        true
    }

    /// Drops what was read before `then`, and returns whether anything was dropped. A read under way
    /// still serves all reconciles that wait for it.
    pub fn drop_older(&self, key: &Key, then: Instant) -> bool {
        self.secrets.write().get_mut(key).is_some_and(|known| known.retain(|known| known.read >= then))
    }

    /// Drops a Secret that no object names any more.
    pub fn evict(&self, key: &Key) {
        let mut secrets = self.secrets.write();
        secrets.remove(key);
        if secrets.len() < secrets.capacity() / 4 {
            secrets.shrink_to_fit();
        }
    }

    /// Drops everything.
    pub fn clear(&self) {
        self.secrets.write().clear();
    }

    /// Every Secret in the cache.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        self.secrets.read().keys().cloned().collect()
    }
}

/// A Secret as the API server returned it; `None` when there is none. Its values are overwritten when
/// it is dropped.
struct ReadSecret {
    secret: Option<Secret>,
    read: Instant,
}

impl ReadSecret {
    async fn read(ctx: &Context, key: &Key) -> Result<Self, kube::Error> {
        let read = Instant::now();
        Ok(Self { secret: ctx.secrets(key.namespace()).get_opt(key.name()).await?, read })
    }

    /// The credentials of one selection.
    fn of(&self, key: &Key, selection: &KeySelection) -> Arc<KnownCredentials> {
        let credentials = |secret: &Secret| {
            usable(secret.type_.as_deref(), secret.metadata.labels.as_ref())
                .map_err(|why| InvalidCredentials::Unusable { secret: key.name().to_owned(), why })?;
            let KeySelection { reference, has_endpoint } = selection;
            let data = secret.data.as_ref().unwrap_or(const { &BTreeMap::new() });
            Credentials::select(reference, *has_endpoint, data).map(Arc::new)
        };
        let version = |secret: &Secret| resource_version(secret.metadata.resource_version.as_deref());
        Arc::new(KnownCredentials {
            credentials: self.secret.as_ref().map(credentials),
            resource_version: self.secret.as_ref().map_or(0, version),
            read: self.read,
        })
    }
}

impl Drop for ReadSecret {
    fn drop(&mut self) {
        if let Some(data) = self.secret.as_mut().and_then(|secret| secret.data.as_mut()) {
            overwrite(data);
        }
    }
}

/// Overwrites all values, so that freed memory holds no keys.
fn overwrite(data: &mut BTreeMap<String, ByteString>) {
    for ByteString(bytes) in data.values_mut() {
        bytes.zeroize();
    }
}

#[cfg(test)]
mod tests;
