//! The credentials that objects name, each read once and kept until its Secret changes or nobody
//! names it.
//!
//! Only Secrets that some `PresignedUrl` names are ever read. Of what they hold, the access key is
//! kept and nothing else: a Secret can have a megabyte, an access key 8 KiB at most.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::ByteString;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use zeroize::Zeroize as _;

use crate::controller::context::Context;
use crate::crd::CredentialsSecretRef;
use crate::domain::credentials::{InvalidCredentials, usable};
use crate::domain::stored::resource_version;
use crate::domain::{Credentials, Request};
use crate::runtime::key::Key;
use crate::runtime::lock::Lock;

/// The most selections that are kept of one Secret. With more objects that each name other keys of
/// it, it is read more often.
const MOST_SELECTIONS: usize = 16;

/// The credentials in a Secret at one version.
pub struct KnownCredentials {
    /// The credentials, or why there are none in it; absent when there is no such Secret.
    pub credentials: Option<Result<Arc<Credentials>, InvalidCredentials>>,
    /// Its resource version; 0 when there is none.
    pub resource_version: u64,
    /// When it was asked for.
    read: Instant,
}

/// What an object takes from a Secret: which keys, and whether for a store of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Selection {
    reference: CredentialsSecretRef,
    has_endpoint: bool,
}

/// Leaves none of the keys behind in memory that was given back.
fn overwrite(data: &mut BTreeMap<String, ByteString>) {
    for ByteString(bytes) in data.values_mut() {
        bytes.zeroize();
    }
}

type Slot = Arc<OnceCell<Arc<KnownCredentials>>>;

/// One slot for each Secret and selection: however many reconciles want it, it is read once.
#[derive(Default)]
pub struct CredentialsCache {
    slots: Lock<HashMap<Key, Known>>,
}

/// What is known of one Secret.
#[derive(Default)]
struct Known {
    slots: Vec<(Selection, Slot)>,
    /// The lowest and the highest version of what was dropped, every one for a read that was
    /// under way: an object may have signed with it, and has to be woken when the Secret stands
    /// at another one.
    dropped: Option<(u64, u64)>,
}

impl Known {
    /// Keeps some, and says whether there was anything else.
    fn retain(&mut self, is_kept: impl Fn(&Slot) -> bool) -> bool {
        let before = self.slots.len();
        self.slots.retain(|(_, slot)| {
            let is_kept = is_kept(slot);
            if !is_kept {
                let version = slot.get().map(|known| known.resource_version);
                let (low, high) = version.map_or((0, u64::MAX), |version| (version, version));
                let (lowest, highest) = self.dropped.unwrap_or((low, high));
                self.dropped = Some((lowest.min(low), highest.max(high)));
            }
            is_kept
        });
        self.slots.len() < before
    }

    /// Makes room for one more: what was read goes first, a read under way serves those who wait.
    fn make_room(&mut self) {
        if self.slots.len() >= MOST_SELECTIONS {
            let oldest = self.slots.iter().find(|(_, slot)| slot.initialized()).or(self.slots.first());
            let oldest = oldest.map(|(_, slot)| slot.clone());
            self.retain(|slot| oldest.as_ref().is_none_or(|oldest| !Arc::ptr_eq(slot, oldest)));
        }
    }
}

impl Selection {
    fn of(request: &Request) -> Self {
        Self { reference: request.credentials.clone(), has_endpoint: request.connection.endpoint.is_some() }
    }
}

impl CredentialsCache {
    /// The credentials for a request, read now unless they are known.
    ///
    /// # Errors
    /// What the API server or the way to it answered. Nothing is kept then.
    pub async fn get(
        &self,
        ctx: &Context,
        key: &Key,
        request: &Request,
    ) -> Result<Arc<KnownCredentials>, kube::Error> {
        let slot = self.slot(key, Selection::of(request));
        slot.get_or_try_init(|| read(ctx, key, request)).await.cloned()
    }

    fn slot(&self, key: &Key, selection: Selection) -> Slot {
        let mut slots = self.slots.write();
        let known = slots.entry(key.clone()).or_default();
        if let Some((_, slot)) = known.slots.iter().find(|(of, _)| *of == selection) {
            return slot.clone();
        }
        known.make_room();
        let slot = Slot::default();
        known.slots.push((selection, slot.clone()));
        slot
    }

    /// The credentials for a request, as far as they are known.
    #[must_use]
    pub fn known(&self, key: &Key, request: &Request) -> Option<Arc<KnownCredentials>> {
        let selection = Selection::of(request);
        let slots = self.slots.read();
        let (_, slot) = slots.get(key)?.slots.iter().find(|(of, _)| *of == selection)?;
        slot.get().cloned()
    }

    /// Lets go of what is known of a Secret that now stands at `version` (0: gone), and
    /// says whether anybody was given anything else. A read under way ends up in a slot
    /// that nobody asks any more.
    pub fn invalidate(&self, key: &Key, version: u64) -> bool {
        let is_current = |slot: &Slot| slot.get().is_some_and(|known| known.resource_version == version);
        let is_all_current = |known: &Known| {
            known.dropped.is_none_or(|dropped| dropped == (version, version))
                && known.slots.iter().all(|(_, slot)| is_current(slot))
        };
        if self.slots.read().get(key).is_none_or(is_all_current) {
            return false;
        }
        let mut slots = self.slots.write();
        let Some(known) = slots.get_mut(key) else { return false };
        known.retain(is_current);
        known.dropped = None;
        if known.slots.is_empty() {
            slots.remove(key);
        }
        true
    }

    /// Lets go of what was asked for before then, and says whether there was such. A read
    /// under way is for everybody who waits for it.
    pub fn drop_older(&self, key: &Key, then: Instant) -> bool {
        let is_young = |slot: &Slot| slot.get().is_none_or(|known| known.read >= then);
        self.slots.write().get_mut(key).is_some_and(|known| known.retain(is_young))
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

async fn read(ctx: &Context, key: &Key, request: &Request) -> Result<Arc<KnownCredentials>, kube::Error> {
    let read = Instant::now();
    let secret = ctx.secrets(key.namespace()).get_opt(key.name()).await?;
    let version = |secret: &k8s_openapi::api::core::v1::Secret| {
        resource_version(secret.metadata.resource_version.as_deref())
    };
    let resource_version = secret.as_ref().map_or(0, version);
    let credentials = secret.map(|secret| {
        let mut data = secret.data.unwrap_or_default();
        let credentials = usable(secret.type_.as_deref(), secret.metadata.labels.as_ref())
            .map_err(|why| InvalidCredentials::Unusable { secret: key.name().to_owned(), why })
            .and_then(|()| Credentials::for_request(request, &data))
            .map(Arc::new);
        overwrite(&mut data);
        credentials
    });
    Ok(Arc::new(KnownCredentials { credentials, resource_version, read }))
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

    fn naming(key: &str) -> Request {
        let reference = serde_json::json!({"name": "keys", "sessionTokenKey": key});
        let s3 = serde_json::json!({"region": "eu-west-1", "credentialsSecretRef": reference});
        let spec = serde_json::json!({"bucket": "b12", "key": "k", "s3": s3});
        Request::parse("a", &serde_json::from_value(spec).unwrap(), None).unwrap()
    }

    fn fill(cache: &CredentialsCache, key: &Key, request: &Request, resource_version: u64) {
        let known = KnownCredentials { credentials: None, resource_version, read: Instant::now() };
        assert!(cache.slot(key, Selection::of(request)).set(Arc::new(known)).is_ok());
    }

    #[test]
    fn knows_each_selection_and_lets_go_of_all_that_are_not_current() {
        let (cache, key) = (CredentialsCache::default(), Key::new("n", "keys"));
        fill(&cache, &key, &naming("a"), 1);
        assert!(cache.known(&key, &naming("b")).is_none(), "another key of the same Secret");
        fill(&cache, &key, &naming("b"), 2);
        assert!(cache.invalidate(&key, 2) && !cache.invalidate(&key, 2));
        assert!(cache.known(&key, &naming("a")).is_none() && cache.known(&key, &naming("b")).is_some());
        assert!(cache.invalidate(&key, 3) && cache.keys().is_empty());
    }

    #[test]
    fn who_was_given_what_was_dropped_is_told_of_another_version() {
        let (cache, key) = (CredentialsCache::default(), Key::new("n", "keys"));
        fill(&cache, &key, &naming("first"), 1);
        for number in 0..MOST_SELECTIONS {
            fill(&cache, &key, &naming(&number.to_string()), 2);
        }
        assert!(cache.known(&key, &naming("first")).is_none());
        assert!(cache.invalidate(&key, 2), "the first one signed with version 1");
        assert!(!cache.invalidate(&key, 2));

        let other = Key::new("n", "other");
        fill(&cache, &other, &naming("a"), 1);
        assert!(cache.drop_older(&other, Instant::now() + std::time::Duration::from_secs(1)));
        fill(&cache, &other, &naming("b"), 2);
        assert!(cache.invalidate(&other, 2), "the one before signed with version 1");
    }

    #[test]
    fn an_object_that_names_other_keys_again_and_again_fills_nothing() {
        let (cache, key) = (CredentialsCache::default(), Key::new("n", "keys"));
        for number in 0..10 * MOST_SELECTIONS {
            fill(&cache, &key, &naming(&number.to_string()), 1);
            assert!(cache.slots.read()[&key].slots.len() <= MOST_SELECTIONS);
        }
    }
}
