//! The cache of credentials. Each credentials Secret is read once, and kept until it changes or until
//! no object names it.
//!
//! Only Secrets that some `PresignedUrl` names are read. The cache keeps the access key and nothing
//! else: a Secret can hold a megabyte, an access key at most 8 KiB.

mod read_secret;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use self::read_secret::ReadSecret;
use crate::controller::context::Context;
use crate::controller::state::dependents::Dependents;
use crate::crd::CredentialsSecretRef;
use crate::domain::credentials::InvalidCredentials;
use crate::domain::signer::ParsedSigner;
use crate::domain::{Credentials, Request};
use crate::runtime::key::Key;
use crate::runtime::lock::Lock;

/// How many selections of a Secret are kept for each object that depends on it.
const SELECTIONS_PER_OBJECT: usize = 2;
/// How long one reconcile parses an answer for the selections of other objects.
const MAX_FILL: Duration = Duration::from_millis(50);

/// The credentials in a Secret at one resource version.
pub struct CachedCredentials {
    /// The credentials, or why the Secret holds none; `None` when there is no such Secret.
    pub credentials: Option<Result<Arc<Credentials>, InvalidCredentials>>,
    /// The resource version of the Secret; 0 when there is no such Secret.
    pub resource_version: u64,
    /// When the read of the Secret began.
    pub read: Instant,
}

/// Which keys an object or a signer reads from a credentials Secret, and whether its store has an
/// endpoint.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct KeySelection {
    reference: CredentialsSecretRef,
    has_endpoint: bool,
    is_signer: bool,
}

/// The credentials of each Secret. A Secret is read once, however many reconciles need it and whichever
/// keys they name.
#[derive(Default)]
pub struct CredentialsCache {
    secrets: Lock<HashMap<Key, CachedSecret>>,
}

/// What the cache holds of one Secret.
#[derive(Default)]
struct CachedSecret {
    /// The selections that objects asked for. Those without a value are filled by the next read, which
    /// serves all of them.
    selections: HashMap<KeySelection, Option<Arc<CachedCredentials>>>,
    /// The lowest and the highest version of what was dropped; all versions if a read was under way.
    /// An object may have signed with a dropped version, and is woken when the Secret is at another
    /// one.
    dropped: Option<(u64, u64)>,
    /// Locked by the reconcile that reads the Secret. When the Secret changes meanwhile, a new lock
    /// takes its place, because the read may return the old version.
    reader: Arc<Mutex<()>>,
}

impl CachedSecret {
    fn is_being_read(&self) -> bool {
        self.reader.try_lock().is_err()
    }

    /// Whether every reconcile that was given credentials of this Secret got those of this version.
    fn is_at(&self, version: u64) -> bool {
        !self.is_being_read()
            && self.dropped.is_none_or(|dropped| dropped == (version, version))
            && self.selections.values().flatten().all(|cached| cached.resource_version == version)
    }

    /// Drops what `is_kept` rejects.
    fn retain(&mut self, is_kept: impl Fn(&CachedCredentials) -> bool) {
        for cached in self.selections.values_mut() {
            if let Some(cached) = cached.take_if(|cached| !is_kept(cached)) {
                note_dropped(&mut self.dropped, (cached.resource_version, cached.resource_version));
            }
        }
    }

    /// Drops selections until there is room for one more; `most` is the limit.
    fn make_room(&mut self, most: usize) {
        while self.selections.len() >= most
            && let Some(any) = self.selections.keys().next().cloned()
        {
            match self.selections.remove(&any).flatten() {
                Some(cached) => {
                    note_dropped(&mut self.dropped, (cached.resource_version, cached.resource_version));
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

/// The Secret with the access key of a request; `None` if it has none.
#[must_use]
pub fn credentials_secret(request: &Request) -> Option<Key> {
    let credentials = &request.credentials;
    Some(Key::new(&credentials.namespace, &credentials.secret()?.name))
}

impl KeySelection {
    /// What a request reads, and from which Secret; `None` if it has none with an access key.
    #[must_use]
    pub fn of_request(request: &Request) -> Option<(Key, Self)> {
        let selection = Self {
            reference: request.credentials.secret()?.clone(),
            has_endpoint: request.connection.endpoint.is_some(),
            is_signer: request.credentials.signer.is_some(),
        };
        Some((credentials_secret(request)?, selection))
    }

    /// What a signer reads, and from which Secret; `None` if it has none with an access key.
    #[must_use]
    pub fn of_signer(signer: &ParsedSigner) -> Option<(Key, Self)> {
        let (namespace, reference) = signer.secret()?;
        let has_endpoint = signer.has_endpoint();
        let selection = Self { reference: reference.clone(), has_endpoint, is_signer: true };
        Some((Key::new(namespace, &reference.name), selection))
    }
}

impl CredentialsCache {
    /// The credentials for a request or a signer. Reads the Secret unless the cache holds them.
    ///
    /// # Errors
    /// The failure of the read. The cache keeps nothing in that case.
    pub async fn get(
        &self,
        ctx: &Context,
        key: &Key,
        selection: &KeySelection,
    ) -> Result<Arc<CachedCredentials>, kube::Error> {
        loop {
            let Some(reader) = self.ask(&ctx.dependents, key, selection) else {
                return Ok(ReadSecret::read(ctx, key).await?.of(key, selection));
            };
            let _turn = reader.lock().await;
            // Another reconcile may have read the Secret meanwhile, and it may have changed since.
            if let Some(cached) = self.cached(key, selection) {
                return Ok(cached);
            }
            if self.is_reader(key, &reader) {
                let answer = ReadSecret::read(ctx, key).await?;
                return Ok(self.fill(key, &reader, &answer, selection).await);
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
        // Counted under the lock, as in `shrink`.
        let most = SELECTIONS_PER_OBJECT * dependents.count(key);
        if most == 0 {
            return None;
        }
        let cached = secrets.entry(key.clone()).or_default();
        if !cached.selections.contains_key(selection) {
            cached.make_room(most);
            cached.selections.insert(selection.clone(), None);
        }
        Some(Arc::clone(&cached.reader))
    }

    fn is_reader(&self, key: &Key, reader: &Arc<Mutex<()>>) -> bool {
        self.secrets.read().get(key).is_some_and(|cached| Arc::ptr_eq(&cached.reader, reader))
    }

    /// Stores an answer for all selections that were asked for, unless the answer may be old, and
    /// returns the credentials of one selection.
    async fn fill(
        &self,
        key: &Key,
        reader: &Arc<Mutex<()>>,
        answer: &ReadSecret,
        selection: &KeySelection,
    ) -> Arc<CachedCredentials> {
        let own = answer.of(key, selection);
        let (mut read, begun) = (HashMap::from([(selection.clone(), Arc::clone(&own))]), Instant::now());
        for selection in self.wanted_selections(key).into_iter().filter(|other| other != selection) {
            // A thousand selections of a large Secret must not block this reconcile or other tasks. The
            // next reader serves the rest.
            if begun.elapsed() >= MAX_FILL || !self.is_reader(key, reader) {
                break;
            }
            // A bug that one selection reveals must not panic the reconcile of another object.
            if let Ok(cached) = catch_unwind(AssertUnwindSafe(|| answer.of(key, &selection))) {
                read.insert(selection, cached);
            }
            tokio::task::yield_now().await;
        }
        let mut secrets = self.secrets.write();
        if let Some(cached) = secrets.get_mut(key).filter(|cached| Arc::ptr_eq(&cached.reader, reader)) {
            for (selection, slot) in cached.selections.iter_mut().filter(|(_, slot)| slot.is_none()) {
                *slot = read.get(selection).cloned();
            }
        }
        own
    }

    /// The selections of a Secret that were asked for and have no value yet.
    fn wanted_selections(&self, key: &Key) -> Vec<KeySelection> {
        let secrets = self.secrets.read();
        let selections = secrets.get(key).into_iter().flat_map(|cached| &cached.selections);
        selections.filter(|(_, cached)| cached.is_none()).map(|(selection, _)| selection.clone()).collect()
    }

    /// The credentials for a request or a signer; `None` when the cache does not hold them.
    #[must_use]
    pub fn cached(&self, key: &Key, selection: &KeySelection) -> Option<Arc<CachedCredentials>> {
        self.secrets.read().get(key)?.selections.get(selection)?.clone()
    }

    /// Drops what the cache holds of a Secret that is now at `version` (0: deleted), and returns whether
    /// a reconcile may have got another version. A read under way is not kept; only the reconcile that
    /// reads gets its result.
    pub fn invalidate(&self, key: &Key, version: u64) -> bool {
        if self.secrets.read().get(key).is_none_or(|cached| cached.is_at(version)) {
            return false;
        }
        let mut secrets = self.secrets.write();
        let Some(cached) = secrets.get_mut(key) else { return false };
        cached.retain(|cached| cached.resource_version == version);
        cached.dropped = None;
        cached.reader = Arc::default();
        true
    }

    /// Drops what was read before `then`. A read under way still serves all reconciles that wait for it.
    pub fn drop_older(&self, key: &Key, then: Instant) {
        if let Some(cached) = self.secrets.write().get_mut(key) {
            cached.retain(|cached| cached.read >= then);
        }
    }

    /// Keeps as many selections of a Secret as the objects that still depend on it may have: none if no
    /// object does.
    pub fn shrink(&self, dependents: &Dependents, key: &Key) {
        let mut secrets = self.secrets.write();
        // Counted under the lock, so that an object that depends on the Secret from now on asks again.
        let most = SELECTIONS_PER_OBJECT * dependents.count(key);
        if most > 0 {
            if let Some(cached) = secrets.get_mut(key) {
                cached.make_room(most + 1);
                cached.selections.shrink_to(most);
            }
            return;
        }
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

#[cfg(test)]
mod tests;
