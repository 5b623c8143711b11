//! What the model API server holds: `PresignedUrl`s and Secrets at versions, what watches were
//! shown, the garbage collector, and a backup that can be restored.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::accounts::Account;
use crate::server::SecretServer;

/// More than the versions of any history.
const MUCH: u64 = 1_000_000;

/// Namespace and name.
pub type Name = (String, String);

/// One kind of objects.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    PresignedUrls,
    Secrets,
    Leases,
    ServiceAccounts,
    Tokens,
    TokenReviews,
}

/// What changed at one version.
#[derive(Clone, Debug)]
pub struct Change {
    pub version: u64,
    pub kind: Kind,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// One open watch.
pub struct Watcher {
    pub kind: Kind,
    /// Whether it shows Secrets with our label, or those without.
    pub is_managed: Option<bool>,
    /// The version that it asked for; it is shown nothing that is not newer.
    pub since: u64,
    pub events: mpsc::UnboundedSender<(Instant, Value)>,
}

/// Everything that is stored.
#[derive(Clone, Default)]
pub struct Stored {
    pub secrets: BTreeMap<Name, SecretServer>,
    pub urls: BTreeMap<Name, Value>,
    /// The UIDs of Secrets that somebody else created.
    pub foreign: BTreeSet<String>,
    /// The one Lease.
    pub lease: Option<Value>,
    pub accounts: BTreeMap<Name, Account>,
}

/// The model API server.
#[derive(Default)]
pub struct Cluster {
    pub version: u64,
    pub stored: Stored,
    /// What a restore brings back, and its version.
    backup: Option<(u64, Stored)>,
    pub log: Vec<Change>,
    pub watchers: Vec<Watcher>,
    /// How much later watches show what happened.
    pub lag: Duration,
    /// The highest version that was lost by a restore: UIDs are made of versions.
    highest: u64,
    /// How often the API server was started anew.
    pub starts: u64,
    uids: u64,
}

impl Cluster {
    /// A Secret as clients see it.
    pub fn secret(&self, name: &Name) -> Option<Value> {
        self.stored.secrets.get(name)?.get().map(|secret| named(&secret, name))
    }

    /// Writes a Secret by `write`, and shows what came of it.
    pub fn write_secret<T>(&mut self, name: &Name, write: impl FnOnce(&mut SecretServer) -> T) -> T {
        let before = self.secret(name);
        let server = self.stored.secrets.entry(name.clone()).or_default();
        server.version = self.version;
        let answer = write(server);
        self.version = server.version;
        let after = self.secret(name);
        if before != after {
            self.show(Kind::Secrets, before, after);
        }
        answer
    }

    /// Creates a `PresignedUrl`.
    pub fn create_url(&mut self, name: &Name, spec: &Value) {
        if self.stored.urls.contains_key(name) {
            return;
        }
        let uid = self.new_uid();
        let object = json!({
            "apiVersion": "presign.dev/v1alpha1", "kind": "PresignedUrl", "spec": spec,
            "metadata": {"namespace": name.0, "name": name.1, "uid": uid, "generation": 1},
        });
        self.put_url(name, Some(object));
    }

    /// A UID that nothing has had.
    pub fn new_uid(&mut self) -> String {
        self.uids += 1;
        format!("00000000-0000-0000-0000-{:012}", self.uids)
    }

    /// Edits a `PresignedUrl`; the generation grows with the spec.
    pub fn edit_url(&mut self, name: &Name, edit: impl FnOnce(&mut Value)) {
        let Some(before) = self.stored.urls.get(name).cloned() else { return };
        let mut after = before.clone();
        edit(&mut after);
        if after == before {
            return;
        }
        if after["spec"] != before["spec"] {
            after["metadata"]["generation"] = json!(before["metadata"]["generation"].as_i64().unwrap() + 1);
        }
        self.put_url(name, Some(after));
    }

    /// Deletes a `PresignedUrl` at once.
    pub fn delete_url(&mut self, name: &Name) {
        if self.stored.urls.contains_key(name) {
            self.put_url(name, None);
        }
    }

    /// Takes a backup. Then so much else is written to the cluster that a version after it is
    /// never one of the time after a restore.
    pub fn back_up(&mut self) {
        self.backup = Some((self.version, self.stored.clone()));
        self.version = self.version.max(self.highest).next_multiple_of(MUCH) + MUCH;
    }

    /// Restores the backup, once, if `seen` is a version after it. Watches break off, since the
    /// API server is started anew.
    pub fn restore(&mut self, seen: u64) -> bool {
        let Some((version, mut stored)) = self.backup.take_if(|(version, _)| seen > *version) else {
            return false;
        };
        self.highest = self.highest.max(self.version);
        stored.foreign.append(&mut self.stored.foreign);
        (self.version, self.stored) = (version, stored);
        self.log.retain(|change| change.version <= version);
        self.watchers.clear();
        self.starts += 1;
        self.notice_restored_accounts();
        true
    }

    fn put_url(&mut self, name: &Name, after: Option<Value>) {
        self.version += 1;
        let before = self.stored.urls.remove(name);
        let after = after.map(|mut object| {
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
            self.stored.urls.insert(name.clone(), object.clone());
            object
        });
        self.show(Kind::PresignedUrls, before, after);
    }

    /// Deletes what names an owner that is gone.
    pub fn collect_garbage(&mut self) {
        let live: BTreeSet<&str> = self.stored.urls.values().filter_map(uid).collect();
        let is_orphaned = |secret: &Secret| {
            let owners = secret.metadata.owner_references.as_deref().unwrap_or_default();
            !owners.is_empty() && !owners.iter().any(|owner| live.contains(owner.uid.as_str()))
        };
        let gone =
            self.stored.secrets.iter().filter(|(_, server)| server.get().is_some_and(|s| is_orphaned(&s)));
        let gone: Vec<_> = gone.map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.write_secret(&name, SecretServer::delete);
        }
        let going =
            self.stored.urls.iter().filter(|(_, url)| !url["metadata"]["deletionTimestamp"].is_null());
        for (name, uid) in
            going.map(|(name, url)| (name.clone(), uid(url).unwrap().to_owned())).collect::<Vec<_>>()
        {
            let owned = self.stored.secrets.iter().filter(|(_, server)| {
                let owners = server.get().and_then(|secret| secret.metadata.owner_references);
                owners.is_some_and(|owners| owners.iter().any(|owner| owner.uid == uid))
            });
            for secret in owned.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
                self.write_secret(&secret, SecretServer::delete);
            }
            self.delete_url(&name);
        }
    }

    fn show(&mut self, kind: Kind, before: Option<Value>, after: Option<Value>) {
        let change = Change { version: self.version, kind, before, after };
        let at = Instant::now() + self.lag;
        self.watchers.retain(|watcher| {
            watcher.event(&change).is_none_or(|event| watcher.events.send((at, event)).is_ok())
        });
        self.log.push(change);
    }

    /// Opens a watch: from a version on, or with everything that there is first.
    pub fn watch(&mut self, watcher: Watcher) {
        let at = Instant::now() + self.lag;
        let send = |event| drop(watcher.events.send((at, event)));
        if watcher.since > 0 {
            self.log.iter().filter_map(|change| watcher.event(change)).for_each(send);
        } else {
            let all: Vec<Value> = match watcher.kind {
                Kind::PresignedUrls => self.stored.urls.values().cloned().collect(),
                Kind::Secrets => self.stored.secrets.keys().filter_map(|name| self.secret(name)).collect(),
                _ => Vec::new(),
            };
            let shown = all.into_iter().filter(|object| watcher.is_selected(object));
            shown.for_each(|object| send(json!({"type": "ADDED", "object": object})));
            let end = json!({"type": "BOOKMARK", "object": {
                "apiVersion": watcher.api_version(), "kind": watcher.kind_name(),
                "metadata": {
                    "resourceVersion": self.version.to_string(),
                    "annotations": {"k8s.io/initial-events-end": "true"},
                },
            }});
            send(end);
        }
        self.watchers.push(watcher);
    }
}

impl Watcher {
    fn is_selected(&self, object: &Value) -> bool {
        let is_managed = object["metadata"]["labels"]["presign.dev/managed"] == "true";
        self.is_managed.is_none_or(|wanted| wanted == is_managed)
    }

    fn event(&self, change: &Change) -> Option<Value> {
        if change.kind != self.kind || change.version <= self.since {
            return None;
        }
        let shown = |object: &Option<Value>| object.clone().filter(|object| self.is_selected(object));
        let (kind, mut object) = match (shown(&change.before), shown(&change.after)) {
            (None, None) => return None,
            (None, Some(after)) => ("ADDED", after),
            (Some(_), Some(after)) => ("MODIFIED", after),
            (Some(before), None) => ("DELETED", before),
        };
        object["metadata"]["resourceVersion"] = json!(change.version.to_string());
        Some(json!({"type": kind, "object": object}))
    }

    fn api_version(&self) -> &'static str {
        if self.kind == Kind::Secrets { "v1" } else { "presign.dev/v1alpha1" }
    }

    fn kind_name(&self) -> &'static str {
        if self.kind == Kind::Secrets { "Secret" } else { "PresignedUrl" }
    }
}

/// The UID of an object.
pub fn uid(object: &Value) -> Option<&str> {
    object["metadata"]["uid"].as_str()
}

/// A Secret under its name.
pub fn named(secret: &Secret, name: &Name) -> Value {
    let mut secret = serde_json::to_value(secret).unwrap();
    secret["metadata"]["namespace"] = json!(name.0);
    secret["metadata"]["name"] = json!(name.1);
    secret
}

/// The wall clock's time that the model writes.
pub fn epoch() -> Timestamp {
    Timestamp::from_second(1_893_456_000).unwrap()
}
