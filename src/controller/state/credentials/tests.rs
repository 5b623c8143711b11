//! How often a Secret is read, and what is kept of it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::read_secret::overwrite;
use super::*;
use crate::domain::policy::Requester;

#[test]
fn keys_are_overwritten() {
    let mut data = BTreeMap::from([("key".to_owned(), ByteString(b"secret".to_vec()))]);
    let before = data["key"].0.as_ptr();
    overwrite(&mut data);
    assert_eq!((data["key"].0.as_ptr(), data["key"].0.len()), (before, 0));
}

/// A cache and one Secret that a given number of objects depend on.
struct Bed {
    cache: CredentialsCache,
    dependents: Dependents,
    key: Key,
}

fn selection_of(selected: &str) -> KeySelection {
    KeySelection::of_request(&naming(selected)).unwrap().1
}

fn naming(key: &str) -> Request {
    let reference = serde_json::json!({"name": "keys", "keys": {"sessionToken": key}});
    let s3 = serde_json::json!({"region": "eu-west-1", "credentials": {"secretRef": reference}});
    let spec = serde_json::json!({"bucket": "b12", "key": "k", "s3": s3});
    Request::inline(Requester { namespace: "n", name: "a" }, &serde_json::from_value(spec).unwrap(), None)
        .unwrap()
}

impl Bed {
    fn new(objects: usize) -> Self {
        let (cache, dependents) = (CredentialsCache::default(), Dependents::default());
        for number in 0..objects {
            let secrets = BTreeSet::from([Key::new("n", "keys")]);
            dependents.set(&Key::new("n", &number.to_string()), &secrets);
        }
        Self { cache, dependents, key: Key::new("n", "keys") }
    }

    fn ask(&self, selected: &str) -> Arc<Mutex<()>> {
        self.cache.ask(&self.dependents, &self.key, &selection_of(selected)).unwrap()
    }

    async fn answer(&self, reader: &Arc<Mutex<()>>, selected: &str, version: u64) -> u64 {
        let mut secret = Secret::default();
        secret.metadata.resource_version = Some(version.to_string());
        let answer = ReadSecret { secret: Some(secret), read: Instant::now() };
        let selection = selection_of(selected);
        self.cache.fill(&self.key, reader, &answer, &selection).await.resource_version
    }

    async fn read(&self, selected: &str, version: u64) {
        assert_eq!(self.answer(&self.ask(selected), selected, version).await, version);
    }

    fn cached(&self, selected: &str) -> Option<u64> {
        self.cache.cached(&self.key, &selection_of(selected)).map(|cached| cached.resource_version)
    }

    fn changed(&self, version: u64) -> bool {
        self.cache.invalidate(&self.key, version)
    }
}

// Time stands still: on a busy machine, the answer would be parsed for longer than a reconcile may take.
#[tokio::test(start_paused = true)]
async fn one_read_is_for_every_selection_that_was_asked_for() {
    let bed = Bed::new(300);
    let names: Vec<_> = (0..300).map(|number| number.to_string()).collect();
    for name in &names {
        bed.ask(name);
    }
    bed.read("0", 1).await;
    assert!(names.iter().all(|name| bed.cached(name) == Some(1)));
    assert!(bed.changed(2) && !bed.changed(2), "all are woken, once");
    assert!(names.iter().all(|name| bed.cached(name).is_none()));
    bed.read("7", 2).await;
    assert!(names.iter().all(|name| bed.cached(name) == Some(2)), "without being asked again");
    assert!(!bed.changed(2));
}

#[tokio::test]
async fn what_was_read_before_a_change_is_not_kept() {
    let bed = Bed::new(1);
    let reader = bed.ask("a");
    let lock = reader.lock().await;
    assert!(bed.changed(2), "it may be reading the version before");
    assert_eq!(bed.answer(&reader, "a", 1).await, 1, "who reads it is woken again");
    assert_eq!(bed.cached("a"), None);
    drop(lock);
    bed.read("a", 2).await;
    assert_eq!(bed.cached("a"), Some(2));
}

#[tokio::test]
async fn a_reader_of_dropped_credentials_learns_of_another_version() {
    let bed = Bed::new(1);
    bed.read("first", 1).await;
    for name in ["second", "third", "fourth"] {
        bed.read(name, 2).await;
    }
    assert!(bed.changed(2), "the first one signed with version 1");
    assert!(!bed.changed(2));

    let bed = Bed::new(1);
    bed.read("a", 1).await;
    bed.cache.drop_older(&bed.key, Instant::now() + std::time::Duration::from_secs(1));
    assert_eq!(bed.cached("a"), None);
    bed.read("a", 2).await;
    assert!(bed.changed(2), "the one before signed with version 1");
}

#[tokio::test]
async fn what_is_kept_is_bounded_by_the_objects_that_use_it() {
    let bed = Bed::new(3);
    for number in 0..100 {
        bed.read(&number.to_string(), 1).await;
        assert!(bed.cache.secrets.read()[&bed.key].selections.len() <= 6);
    }
    let nobody = Dependents::default();
    bed.cache.shrink(&nobody, &bed.key);
    assert!(bed.cache.ask(&nobody, &bed.key, &selection_of("a")).is_none());
    assert!(bed.cache.keys().is_empty());
}

#[tokio::test]
async fn objects_that_leave_a_secret_take_their_selections_with_them() {
    let bed = Bed::new(10);
    for number in 0..20 {
        bed.read(&number.to_string(), 1).await;
    }
    let selections = || bed.cache.secrets.read()[&bed.key].selections.len();
    assert_eq!(selections(), 20);
    for number in 0..9 {
        for left in bed.dependents.set(&Key::new("n", &number.to_string()), &BTreeSet::new()) {
            bed.cache.shrink(&bed.dependents, &left);
        }
    }
    assert_eq!(selections(), 2);
    assert!(bed.changed(2), "the object that stayed may have signed with what was dropped");
}
