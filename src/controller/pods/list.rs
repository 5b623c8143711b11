//! One look at the pods of a namespace: a paged list, of which only the uses of our Secrets
//! are kept, and those only until the round is over.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::api::ListParams;
use kube::core::ObjectMeta;
use kube::{Api, Resource};
use serde::{Deserialize, Deserializer};

use super::schedule::Round;
use crate::controller::context::Context;
use crate::domain::pods::{Frozen, PodSpec, first_of_each, user};
use crate::runtime::Key;

/// Pods in one answer. Most have some kilobytes; one can have half a megabyte.
const PAGE: u32 = 50;
/// A pod that has ended refreshes nothing and misses nothing.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";
/// By this label a Deployment's pods can be told from those of a bare `ReplicaSet`.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// What a look found.
#[derive(Debug, Default)]
pub struct Found {
    /// Our Secrets that a pod uses in a way that never refreshes: the first, and how many
    /// others there are.
    pub frozen: BTreeMap<String, (Frozen, usize)>,
    /// Running pods to tell of a new URL.
    pub told: Vec<Told>,
}

/// A running pod that mounts a Secret with a new URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// When the newest of its URLs was signed.
    pub signing_time: Timestamp,
}

/// Lists the pods of a namespace and finds those that matter to our Secrets.
///
/// # Errors
/// What the API server or the way to it answered.
pub async fn look(ctx: &Context, round: &Round) -> Result<Found, kube::Error> {
    let pods = Api::<LeanPod>::namespaced(ctx.client.clone(), &round.namespace);
    let mut params = ListParams::default().fields(NOT_ENDED).limit(PAGE);
    let is_ours = |secret: &str| ctx.issued_secrets.get(&Key::new(&round.namespace, secret)).is_some();
    let mut frozen = BTreeMap::new();
    let mut told = Vec::new();
    loop {
        let page = {
            let _permit = ctx.limiter.beside().await;
            pods.list(&params).await?
        };
        for pod in page.items.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
            pod.note_frozen(&mut frozen, is_ours);
            told.extend(pod.told(&round.pokes));
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(Found { frozen: first_of_each(frozen), told }),
        }
    }
}

/// A pod without what nobody reads here.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = "Pod")]
struct LeanPod {
    #[serde(deserialize_with = "lean_metadata")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct PodStatus {
    #[serde(default)]
    phase: String,
}

impl LeanPod {
    fn note_frozen(&self, frozen: &mut BTreeMap<String, BTreeSet<Frozen>>, is_ours: impl Fn(&str) -> bool) {
        for (secret, container, how) in self.spec.frozen() {
            if is_ours(secret) {
                let frozen_use = Frozen { user: self.user(), container: container.to_owned(), how };
                frozen.entry(secret.to_owned()).or_default().insert(frozen_use);
            }
        }
    }

    fn user(&self) -> String {
        let owners = self.metadata.owner_references.iter().flatten();
        let controller = owners.filter(|owner| owner.controller == Some(true)).map(by_name).next();
        let hash = self.metadata.labels.as_ref().and_then(|labels| labels.get(TEMPLATE_HASH));
        user(self.metadata.name.as_deref().unwrap_or_default(), controller, hash.map(String::as_str))
    }

    /// What to tell it, if it runs and mounts one of these Secrets.
    fn told(&self, pokes: &HashMap<String, Timestamp>) -> Option<Told> {
        if self.status.phase != "Running" {
            return None;
        }
        let signing_time = self.spec.mounted().into_iter().filter_map(|secret| pokes.get(secret)).max()?;
        let (name, uid) = (self.metadata.name.clone()?, self.metadata.uid.clone()?);
        Some(Told { name, uid, signing_time: *signing_time })
    }
}

fn by_name(owner: &OwnerReference) -> (&str, &str) {
    (&owner.kind, &owner.name)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeanMetadata {
    name: Option<String>,
    uid: Option<String>,
    deletion_timestamp: Option<Time>,
    #[serde(default)]
    labels: Labels,
    owner_references: Option<Vec<OwnerReference>>,
}

#[derive(Default, Deserialize)]
struct Labels {
    #[serde(rename = "pod-template-hash")]
    template_hash: Option<String>,
}

fn lean_metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let lean = LeanMetadata::deserialize(deserializer)?;
    let hash = lean.labels.template_hash;
    Ok(ObjectMeta {
        name: lean.name,
        uid: lean.uid,
        deletion_timestamp: lean.deletion_timestamp,
        labels: hash.map(|hash| BTreeMap::from([(TEMPLATE_HASH.to_owned(), hash)])),
        owner_references: lean.owner_references,
        ..ObjectMeta::default()
    })
}
