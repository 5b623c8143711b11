//! What really happens, by watches on the straight way to the API server: for the history,
//! and for what must never be seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use presign_operator::crd::PresignedUrl;
use presign_operator::crd::names::ANNOTATION_SIGNING_TIME;
use tokio::task::JoinSet;

use crate::history::History;
use crate::read::readiness;

/// The watches of one state of the store: after a restore there have to be others.
pub struct Observer {
    _watches: JoinSet<()>,
    versions: Arc<Versions>,
}

/// UID of a Secret → each version that was seen, and what it was like.
#[derive(Default)]
struct Versions(Mutex<BTreeMap<String, BTreeMap<String, String>>>);

impl Observer {
    pub fn begin(client: &Client, history: &Arc<History>) -> Self {
        let mut watches = JoinSet::new();
        let versions = Arc::<Versions>::default();
        watches.spawn(follow_secrets(client.clone(), history.clone(), versions.clone()));
        watches.spawn(follow_objects(client.clone(), history.clone()));
        Self { _watches: watches, versions }
    }

    /// Whether this version of a Secret was seen.
    pub fn has_seen(&self, uid: &str, version: &str) -> bool {
        let versions = self.versions.0.lock().unwrap_or_else(PoisonError::into_inner);
        versions.get(uid).is_some_and(|seen| seen.contains_key(version))
    }

    /// What a Secret was like in versions other than this one.
    pub fn other_versions(&self, uid: &str, version: &str) -> Vec<String> {
        let versions = self.versions.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = versions.get(uid).into_iter().flatten();
        seen.filter(|(seen, _)| *seen != version).map(|(_, description)| description.clone()).collect()
    }
}

async fn follow_secrets(client: Client, history: Arc<History>, versions: Arc<Versions>) {
    let mut events =
        std::pin::pin!(watcher(Api::<Secret>::all(client), watcher::Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(secret) | watcher::Event::InitApply(secret)) => {
                let text = outline(&secret);
                let version = secret.resource_version().unwrap_or_default();
                let mut versions = versions.0.lock().unwrap_or_else(PoisonError::into_inner);
                let seen = versions.entry(secret.uid().unwrap_or_default()).or_default();
                if seen.insert(version, text.clone()).is_none() {
                    history.note(&secret.namespace().unwrap_or_default(), format!("  seen: {text}"));
                }
            }
            Ok(watcher::Event::Delete(secret)) => {
                let text = format!("  seen: Secret {} is gone", secret.name_any());
                history.note(&secret.namespace().unwrap_or_default(), text);
            }
            _ => {}
        }
    }
}

/// A Secret in a line, without what is secret.
fn outline(secret: &Secret) -> String {
    let owner = secret.owner_references().first().map(|owner| format!(" of {} {}", owner.name, owner.uid));
    let managers: Vec<_> =
        secret.managed_fields().iter().filter_map(|entry| entry.manager.as_deref()).collect();
    format!(
        "Secret {} version {} uid {}{}, signed {:?}, managers {managers:?}",
        secret.name_any(),
        secret.resource_version().unwrap_or_default(),
        secret.uid().unwrap_or_default(),
        owner.unwrap_or_default(),
        secret.annotations().get(ANNOTATION_SIGNING_TIME).map(String::as_str).unwrap_or_default(),
    )
}

async fn follow_objects(client: Client, history: Arc<History>) {
    let watch = watcher(Api::<PresignedUrl>::all(client), watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(watch);
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(object)) => {
                let metadata = &object.metadata;
                let text = format!(
                    "  seen: PresignedUrl {} version {} uid {} generation {}{}, {}",
                    object.name_any(),
                    metadata.resource_version.as_deref().unwrap_or_default(),
                    metadata.uid.as_deref().unwrap_or_default(),
                    metadata.generation.unwrap_or_default(),
                    if metadata.deletion_timestamp.is_some() { " being deleted" } else { "" },
                    readiness(&object),
                );
                history.note(&object.namespace().unwrap_or_default(), text);
            }
            Ok(watcher::Event::Delete(object)) => {
                let text = format!("  seen: PresignedUrl {} is gone", object.name_any());
                history.note(&object.namespace().unwrap_or_default(), text);
            }
            _ => {}
        }
    }
}
