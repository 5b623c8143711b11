//! Lists the pods of a namespace, in pages. Only the uses of our Secrets are kept, and only until the
//! round is over.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::api::ListParams;
use kube::core::ObjectMeta;
use kube::{Api, Resource};
use serde::{Deserialize, Deserializer};

use super::schedule::{PlannedAnnotation, Round};
use crate::controller::context::Context;
use crate::domain::pods::{PodSpec, StaleUser, first_of_each, user};
use crate::runtime::Key;

/// How many pods one page has. Most pods have some kilobytes; one can have half a megabyte.
const PAGE: u32 = 50;
/// Leaves out pods that have ended: they read no files any more.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";
/// The label that distinguishes the pods of a Deployment from those of a bare `ReplicaSet`.
const TEMPLATE_HASH: &str = "pod-template-hash";

#[derive(Debug, Default)]
pub struct FoundPods {
    /// Our Secrets that a pod uses in a way that is never refreshed. For each Secret the first user, and
    /// the number of other users.
    pub stale: BTreeMap<String, (StaleUser, usize)>,
    /// The running pods that mount a Secret with a new URL.
    pub running: Vec<RunningPod>,
}

/// A running pod that mounts a Secret with a new URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RunningPod {
    pub name: String,
    pub uid: String,
    /// The annotation for the newest URL that it mounts.
    pub planned: PlannedAnnotation,
}

/// Lists the pods of a namespace, and finds those that use our Secrets.
///
/// # Errors
/// The failure of a request to the API server.
pub async fn list_pods(ctx: &Context, round: &Round) -> Result<FoundPods, kube::Error> {
    let pods = Api::<LeanPod>::namespaced(ctx.client.clone(), &round.namespace);
    let mut params = ListParams::default().fields(NOT_ENDED).limit(PAGE);
    let is_ours = |secret: &str| ctx.issued_secrets.get(&Key::new(&round.namespace, secret)).is_some();
    let mut stale = BTreeMap::new();
    let mut running = Vec::new();
    loop {
        let page = {
            let _permit = ctx.limiter.permit().await;
            pods.list(&params).await?
        };
        for pod in page.items.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
            pod.note_stale(&mut stale, is_ours);
            running.extend(pod.running_with(&round.renewed));
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(FoundPods { stale: first_of_each(stale), running }),
        }
    }
}

/// A pod with only the fields that are used here.
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
    fn note_stale(&self, stale: &mut BTreeMap<String, BTreeSet<StaleUser>>, is_ours: impl Fn(&str) -> bool) {
        for (secret, container, how) in self.spec.stale() {
            if is_ours(secret) {
                let stale_use = StaleUser { user: self.user(), container: container.to_owned(), how };
                stale.entry(secret.to_owned()).or_default().insert(stale_use);
            }
        }
    }

    fn user(&self) -> String {
        let owners = self.metadata.owner_references.iter().flatten();
        let controller = owners.filter(|owner| owner.controller == Some(true)).map(by_name).next();
        let hash = self.metadata.labels.as_ref().and_then(|labels| labels.get(TEMPLATE_HASH));
        user(self.metadata.name.as_deref().unwrap_or_default(), controller, hash.map(String::as_str))
    }

    /// The pod to annotate, if it runs and mounts one of the `renewed` Secrets.
    fn running_with(&self, renewed: &HashMap<String, PlannedAnnotation>) -> Option<RunningPod> {
        if self.status.phase != "Running" {
            return None;
        }
        let planned = self.spec.mounted().into_iter().filter_map(|secret| renewed.get(secret)).max()?;
        let (name, uid) = (self.metadata.name.clone()?, self.metadata.uid.clone()?);
        Some(RunningPod { name, uid, planned: *planned })
    }
}

fn by_name(owner: &OwnerReference) -> (&str, &str) {
    (&owner.kind, &owner.name)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodMetadata {
    name: Option<String>,
    uid: Option<String>,
    deletion_timestamp: Option<Time>,
    #[serde(default)]
    labels: PodLabels,
    owner_references: Option<Vec<OwnerReference>>,
}

#[derive(Default, Deserialize)]
struct PodLabels {
    #[serde(rename = "pod-template-hash")]
    template_hash: Option<String>,
}

fn lean_metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let lean = PodMetadata::deserialize(deserializer)?;
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
