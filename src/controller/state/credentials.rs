//! The credentials that objects name, each read once and kept until its Secret changes or nobody
//! names it.
//!
//! Only Secrets that some `PresignedUrl` names are ever read. Of what they hold, the access key is
//! kept and nothing else: a Secret can have a megabyte, an access key 8 KiB at most.

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
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Selection {
    reference: CredentialsSecretRef,
    has_endpoint: bool,
}

/// The credentials of each Secret. However many reconciles want them, and whichever keys they
/// name, the Secret is read once.
#[derive(Default)]
pub struct CredentialsCache {
    secrets: Lock<HashMap<Key, Known>>,
}

/// What is known of one Secret.
#[derive(Default)]
struct Known {
    /// What objects take from it. Those without a value were asked for, and the next read is for
    /// all of them.
    selections: HashMap<Selection, Option<Arc<KnownCredentials>>>,
    /// The lowest and the highest version of what was dropped, every one for a read that was
    /// under way: an object may have signed with it, and has to be woken when the Secret stands
    /// at another one.
    dropped: Option<(u64, u64)>,
    /// Locked by whoever reads the Secret. When the Secret changes meanwhile, a new one takes its
    /// place: what is being read may be old.
    reader: Arc<Mutex<()>>,
}

impl Known {
    fn is_being_read(&self) -> bool {
        self.reader.try_lock().is_err()
    }

    /// Whether nobody was given anything but what the Secret holds at this version.
    fn is_at(&self, version: u64) -> bool {
        !self.is_being_read()
            && self.dropped.is_none_or(|dropped| dropped == (version, version))
            && self.selections.values().flatten().all(|known| known.resource_version == version)
    }

    /// Keeps some, and says whether there was anything else.
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

    /// Makes room for one more selection.
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
        let selection = Selection::of(request);
        loop {
            let Some(reader) = self.ask(&ctx.dependents, key, &selection) else {
                return Ok(Answer::read(ctx, key).await?.of(key, &selection));
            };
            let _turn = reader.lock().await;
            // Somebody else may have read it meanwhile, and it may have changed since.
            if let Some(known) = self.known(key, request) {
                return Ok(known);
            }
            if self.is_reader(key, &reader) {
                let answer = Answer::read(ctx, key).await?;
                return Ok(self.fill(key, &reader, &answer, &selection).await);
            }
        }
    }

    /// Asks for a selection, and returns what to lock for reading the Secret; `None` when nobody
    /// looks at it any more, so that nothing is to be kept.
    ///
    /// There is room for twice as many as there are objects that look at it, so that one that names
    /// other keys again and again takes little from the others.
    fn ask(&self, dependents: &Dependents, key: &Key, selection: &Selection) -> Option<Arc<Mutex<()>>> {
        let mut secrets = self.secrets.write();
        // What nobody looks at is evicted after that is known here.
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

    /// Takes in an answer for everybody who asked, unless it may be old, and returns what it says
    /// for one.
    async fn fill(
        &self,
        key: &Key,
        reader: &Arc<Mutex<()>>,
        answer: &Answer,
        selection: &Selection,
    ) -> Arc<KnownCredentials> {
        let mut read = HashMap::new();
        for selection in self.asked(key) {
            let known = answer.of(key, &selection);
            read.insert(selection, known);
            // A thousand of them in a large Secret must not hold up what else is to be done.
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

    /// What was asked for of a Secret and is not known.
    fn asked(&self, key: &Key) -> Vec<Selection> {
        let secrets = self.secrets.read();
        let selections = secrets.get(key).into_iter().flat_map(|known| &known.selections);
        selections.filter(|(_, known)| known.is_none()).map(|(selection, _)| selection.clone()).collect()
    }

    /// The credentials for a request, as far as they are known.
    #[must_use]
    pub fn known(&self, key: &Key, request: &Request) -> Option<Arc<KnownCredentials>> {
        self.secrets.read().get(key)?.selections.get(&Selection::of(request))?.clone()
    }

    /// Lets go of what is known of a Secret that now stands at `version` (0: gone), and
    /// says whether anybody was given anything else. What is being read goes to whoever reads it,
    /// and is not kept.
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

    /// Lets go of what was asked for before then, and says whether there was such. A read
    /// under way is for everybody who waits for it.
    pub fn drop_older(&self, key: &Key, then: Instant) -> bool {
        self.secrets.write().get_mut(key).is_some_and(|known| known.retain(|known| known.read >= then))
    }

    /// Lets go of a Secret that nobody names any more.
    pub fn evict(&self, key: &Key) {
        let mut secrets = self.secrets.write();
        secrets.remove(key);
        if secrets.len() < secrets.capacity() / 4 {
            secrets.shrink_to_fit();
        }
    }

    /// Lets go of everything.
    pub fn clear(&self) {
        self.secrets.write().clear();
    }

    /// Every Secret that somebody asked for.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        self.secrets.read().keys().cloned().collect()
    }
}

/// A Secret as the API server answered; nothing when there is none. Its values are overwritten at
/// the end.
struct Answer {
    secret: Option<Secret>,
    read: Instant,
}

impl Answer {
    async fn read(ctx: &Context, key: &Key) -> Result<Self, kube::Error> {
        let read = Instant::now();
        Ok(Self { secret: ctx.secrets(key.namespace()).get_opt(key.name()).await?, read })
    }

    /// What it says for a selection.
    fn of(&self, key: &Key, selection: &Selection) -> Arc<KnownCredentials> {
        let credentials = |secret: &Secret| {
            usable(secret.type_.as_deref(), secret.metadata.labels.as_ref())
                .map_err(|why| InvalidCredentials::Unusable { secret: key.name().to_owned(), why })?;
            let Selection { reference, has_endpoint } = selection;
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

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(data) = self.secret.as_mut().and_then(|secret| secret.data.as_mut()) {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_overwritten() {
        let mut data = BTreeMap::from([("key".to_owned(), ByteString(b"secret".to_vec()))]);
        let before = data["key"].0.as_ptr();
        overwrite(&mut data);
        assert_eq!((data["key"].0.as_ptr(), data["key"].0.len()), (before, 0));
    }

    /// One Secret, with so many objects that look at it.
    struct Bed {
        cache: CredentialsCache,
        dependents: Dependents,
        key: Key,
    }

    fn naming(key: &str) -> Request {
        let reference = serde_json::json!({"name": "keys", "sessionTokenKey": key});
        let s3 = serde_json::json!({"region": "eu-west-1", "credentialsSecretRef": reference});
        let spec = serde_json::json!({"bucket": "b12", "key": "k", "s3": s3});
        Request::parse("a", &serde_json::from_value(spec).unwrap(), None).unwrap()
    }

    impl Bed {
        fn new(objects: usize) -> Self {
            let (cache, dependents) = (CredentialsCache::default(), Dependents::default());
            for number in 0..objects {
                let secrets = BTreeSet::from(["keys".to_owned()]);
                dependents.set(&Key::new("n", &number.to_string()), &secrets);
            }
            Self { cache, dependents, key: Key::new("n", "keys") }
        }

        fn ask(&self, selected: &str) -> Arc<Mutex<()>> {
            self.cache.ask(&self.dependents, &self.key, &Selection::of(&naming(selected))).unwrap()
        }

        async fn answer(&self, reader: &Arc<Mutex<()>>, selected: &str, version: u64) -> u64 {
            let mut secret = Secret::default();
            secret.metadata.resource_version = Some(version.to_string());
            let answer = Answer { secret: Some(secret), read: Instant::now() };
            let selection = Selection::of(&naming(selected));
            self.cache.fill(&self.key, reader, &answer, &selection).await.resource_version
        }

        async fn read(&self, selected: &str, version: u64) {
            assert_eq!(self.answer(&self.ask(selected), selected, version).await, version);
        }

        fn known(&self, selected: &str) -> Option<u64> {
            self.cache.known(&self.key, &naming(selected)).map(|known| known.resource_version)
        }

        fn changed(&self, version: u64) -> bool {
            self.cache.invalidate(&self.key, version)
        }
    }

    #[tokio::test]
    async fn one_read_is_for_every_selection_that_was_asked_for() {
        let bed = Bed::new(300);
        let names: Vec<_> = (0..300).map(|number| number.to_string()).collect();
        for name in &names {
            bed.ask(name);
        }
        bed.read("0", 1).await;
        assert!(names.iter().all(|name| bed.known(name) == Some(1)));
        assert!(bed.changed(2) && !bed.changed(2), "all are woken, once");
        assert!(names.iter().all(|name| bed.known(name).is_none()));
        bed.read("7", 2).await;
        assert!(names.iter().all(|name| bed.known(name) == Some(2)), "without being asked again");
        assert!(!bed.changed(2));
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept() {
        let bed = Bed::new(1);
        let reader = bed.ask("a");
        let turn = reader.lock().await;
        assert!(bed.changed(2), "it may be reading the version before");
        assert_eq!(bed.answer(&reader, "a", 1).await, 1, "who reads it is woken again");
        assert_eq!(bed.known("a"), None);
        drop(turn);
        bed.read("a", 2).await;
        assert_eq!(bed.known("a"), Some(2));
    }

    #[tokio::test]
    async fn who_was_given_what_was_dropped_is_told_of_another_version() {
        let bed = Bed::new(1);
        bed.read("first", 1).await;
        for name in ["second", "third", "fourth"] {
            bed.read(name, 2).await;
        }
        assert!(bed.changed(2), "the first one signed with version 1");
        assert!(!bed.changed(2));

        let bed = Bed::new(1);
        bed.read("a", 1).await;
        assert!(bed.cache.drop_older(&bed.key, Instant::now() + std::time::Duration::from_secs(1)));
        bed.read("a", 2).await;
        assert!(bed.changed(2), "the one before signed with version 1");
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_by_the_objects_that_look_at_it() {
        let bed = Bed::new(3);
        for number in 0..100 {
            bed.read(&number.to_string(), 1).await;
            assert!(bed.cache.secrets.read()[&bed.key].selections.len() <= 6);
        }
        bed.cache.evict(&bed.key);
        let nobody = Dependents::default();
        assert!(bed.cache.ask(&nobody, &bed.key, &Selection::of(&naming("a"))).is_none());
        assert!(bed.cache.keys().is_empty());
    }
}
