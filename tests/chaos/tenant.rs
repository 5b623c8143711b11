//! One namespace: its clients, and what the run knows of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use presign_operator::crd::PresignedUrl;
use serde_json::{Value, json};

use crate::harness::{SECOND_KEY, World, make_namespace_named};
use crate::history::History;
use crate::sessions;

/// The field manager of everything that people do here.
pub const PERSON: &str = "person";
/// The object that nothing happens to, if the namespace has one.
pub const STEADY: &str = "steady";
/// The keys in the store.
pub const KEYS: [&str; 2] = ["dir/a file.txt", "other"];
/// What can be downloaded by them.
pub const CONTENT: &str = "content";

/// What a person asked for and the API server does not accept, which is a mistake of the run.
pub const REFUSED: &str = "refused by the API server";
const REFUSALS: [u16; 3] = [400, 403, 422];

/// One namespace.
pub struct Tenant {
    pub namespace: String,
    pub client: Client,
    pub history: Arc<History>,
    /// Whether the objects that things happen to are signed with sessions.
    has_sessions: bool,
    known: Mutex<Known>,
}

/// What the run knows of a namespace.
#[derive(Default)]
pub struct Known {
    /// The specs that were asked for last, by the name of the object.
    pub specs: BTreeMap<String, Value>,
    /// Secrets that are not the operator's.
    pub foreign: Vec<Foreign>,
    /// Objects whose Secrets may have been retained.
    pub retained: BTreeSet<String>,
    /// How many names were given out.
    pub names: u64,
}

/// A Secret that the operator must leave alone.
#[derive(Clone, Debug)]
pub struct Foreign {
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    pub created: Instant,
    /// A copy of one of ours, so that it carries our marks.
    pub is_copy: bool,
    /// When it was deleted by who had made it.
    pub deleted: Option<Instant>,
}

/// The access keys that objects can have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keys {
    First,
    Second,
    Wrong,
    Missing,
}

impl Tenant {
    /// Makes the namespace, its access keys and the objects in the store.
    pub async fn create(number: usize, client: Client, history: Arc<History>) -> Self {
        let (namespace, has_sessions) =
            (format!("chaos-{number}"), sessions::is_signed_with_sessions(number));
        make_namespace_named(&client, &namespace).await;
        let store = &World::get().await.store;
        for key in KEYS {
            store.put_object(&namespace, key, CONTENT).unwrap();
        }
        if has_sessions {
            sessions::fill_store(&namespace, &KEYS).await;
        }
        let tenant = Self { namespace, client, history, has_sessions, known: Mutex::default() };
        tenant.write_keys("keys", Keys::First).await.unwrap();
        tenant
    }

    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn objects(&self) -> Api<PresignedUrl> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what was done and how it went, and returns whether it was done.
    pub fn note<T>(&self, what: impl Display, result: &Result<T, kube::Error>) -> bool {
        match result {
            Ok(_) => self.history.note(&self.namespace, what.to_string()),
            Err(error) => {
                if matches!(error, kube::Error::Api(status) if REFUSALS.contains(&status.code)) {
                    self.history.count(REFUSED);
                }
                self.history.note(&self.namespace, format!("{what}: failed: {error}"));
            }
        }
        result.is_ok()
    }

    /// A spec for an object that can be downloaded.
    pub fn spec(&self, keys: &str) -> Value {
        let store = &World::get_blocking().store;
        let with_keys = || {
            json!({
                "endpoint": store.endpoint(),
                "region": store.region(),
                "credentials": {"secretRef": {"name": keys}},
            })
        };
        let s3 = if self.has_sessions { sessions::connection() } else { with_keys() };
        json!({"bucket": self.namespace, "key": KEYS[0], "expiresIn": "2m", "s3": s3})
    }

    /// Applies a `PresignedUrl` as a person does.
    pub async fn apply(&self, name: &str, spec: &Value) -> Result<PresignedUrl, kube::Error> {
        if spec["secret"]["deletionPolicy"] == "Retain" {
            self.known().retained.insert(name.to_owned());
        }
        let body = json!({
            "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "metadata": {"name": name}, "spec": spec,
        });
        self.objects().patch(name, &PatchParams::apply(PERSON).force(), &Patch::Apply(body)).await
    }

    /// Writes access keys, or the `ServiceAccount` that is there instead of them.
    pub async fn write_keys(&self, name: &str, keys: Keys) -> Result<(), kube::Error> {
        if self.has_sessions {
            return sessions::write_account(self, keys).await;
        }
        let store = &World::get_blocking().store;
        let (id, secret) = match keys {
            Keys::First => (store.access_key_id(), store.secret_access_key()),
            Keys::Second => SECOND_KEY,
            Keys::Wrong => (store.access_key_id(), "a-secret-that-the-store-does-not-know"),
            Keys::Missing => return self.secrets().delete(name, &DeleteParams::default()).await.map(drop),
        };
        let body = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "stringData": {"access-key-id": id, "secret-access-key": secret},
        });
        self.secrets().patch(name, &PatchParams::apply(PERSON).force(), &Patch::Apply(body)).await.map(drop)
    }

    /// Creates a Secret that is not the operator's, and remembers it. Returns whether it was created.
    pub async fn create_foreign(&self, secret: Secret, is_copy: bool) -> bool {
        let created = Instant::now();
        let params = PostParams { field_manager: Some(PERSON.to_owned()), ..PostParams::default() };
        let result = self.secrets().create(&params, &secret).await;
        let kind = if is_copy { "copy" } else { "foreign Secret" };
        let version = result.as_ref().ok().and_then(ResourceExt::resource_version).unwrap_or_default();
        let is_done =
            self.note(format!("create the {kind} {}, version {version}", secret.name_any()), &result);
        if let Ok(secret) = result {
            self.known().foreign.push(Foreign {
                name: secret.name_any(),
                uid: secret.uid().unwrap_or_default(),
                resource_version: version,
                created,
                is_copy,
                deleted: None,
            });
        }
        is_done
    }

    /// Forgets what was made since then, which an earlier state does not have. Copies and
    /// foreign Secrets that were deleted since then are back.
    pub fn go_back(&self, saved: Instant) {
        let mut known = self.known();
        known.foreign.retain(|foreign| foreign.created < saved);
        for foreign in &mut known.foreign {
            foreign.deleted = foreign.deleted.filter(|deleted| *deleted < saved);
        }
    }
}
