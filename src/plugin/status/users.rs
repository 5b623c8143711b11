//! The pods that use a Secret, and how each gets a new URL. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::{Deserialize, Serialize};

use crate::domain::pods::{PodSpec, user};

/// A pod with only the fields that are used here.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = "Pod")]
pub(super) struct PodView {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: PodPhase,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct PodPhase {
    #[serde(default)]
    phase: String,
}

/// The pods that use a Secret.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub(super) struct SecretUsers(pub(super) Vec<SecretUser>);

/// A pod, and how it uses a Secret.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecretUser {
    pub(super) pod: String,
    /// Kind and name of what created it.
    pub(super) of: String,
    pub(super) phase: String,
    pub(super) uses: Vec<SecretUse>,
}

/// One way in which a pod uses a Secret.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecretUse {
    /// Name of the container, if it matters.
    pub(super) container: Option<String>,
    pub(super) how: &'static str,
    /// Whether a running pod sees a new URL.
    pub(super) is_refreshed: bool,
}

impl SecretUsers {
    /// Adds those pods that use the Secret.
    pub(super) fn add(&mut self, pods: &[PodView], secret: &str) {
        self.0.extend(pods.iter().filter_map(|pod| pod.user_of(secret)));
        self.0.sort_by(|one, other| one.pod.cmp(&other.pod));
    }

    /// Whether one of them never sees a new URL.
    #[cfg(test)]
    fn has_stale(&self) -> bool {
        self.0.iter().flat_map(|user| &user.uses).any(|one| !one.is_refreshed)
    }
}

impl PodView {
    fn user_of(&self, secret: &str) -> Option<SecretUser> {
        let mut uses = BTreeSet::new();
        if self.spec.mounted().contains(secret) {
            uses.insert(SecretUse { container: None, how: "a volume", is_refreshed: true });
        }
        for (_, container, how) in self.spec.stale().filter(|(used, ..)| *used == secret) {
            let container = Some(container.to_owned());
            uses.insert(SecretUse { container, how: how.text(), is_refreshed: false });
        }
        if uses.is_empty() {
            return None;
        }
        let owners = self.metadata.owner_references.iter().flatten();
        let controller = owners
            .filter(|owner| owner.controller == Some(true))
            .map(|owner| (&*owner.kind, &*owner.name))
            .next();
        let hash = self.metadata.labels.as_ref().and_then(|labels| labels.get("pod-template-hash"));
        let pod = self.metadata.name.clone().unwrap_or_default();
        let phase = match self.metadata.deletion_timestamp {
            Some(_) => "Terminating".to_owned(),
            None => self.status.phase.clone(),
        };
        let of = user(&pod, controller, hash.map(String::as_str));
        Some(SecretUser { pod, of, phase, uses: uses.into_iter().collect() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_each_way_in_which_a_pod_gets_the_file() {
        let pod = |name: &str, spec: serde_json::Value| {
            let value = json!({"metadata": {"name": name}, "spec": spec, "status": {"phase": "Running"}});
            serde_json::from_value::<PodView>(value).unwrap()
        };
        let volumes = json!([{"name": "v", "secret": {"secretName": "report"}}]);
        let mounts = |mount: serde_json::Value| json!([{"name": "main", "volumeMounts": [mount]}]);
        let pods = [
            pod("volume", json!({"volumes": volumes, "containers": mounts(json!({"name": "v"}))})),
            pod(
                "part",
                json!({"volumes": volumes, "containers": mounts(json!({"name": "v", "subPath": "url"}))}),
            ),
            pod(
                "env",
                json!({"containers": [{"name": "main", "envFrom": [{"secretRef": {"name": "report"}}]}]}),
            ),
            pod(
                "other",
                json!({"containers": [{"name": "main", "envFrom": [{"secretRef": {"name": "else"}}]}]}),
            ),
        ];
        let mut users = SecretUsers::default();
        users.add(&pods, "report");
        let shown: Vec<_> = users
            .0
            .iter()
            .map(|user| (user.pod.as_str(), user.uses[0].how, user.uses[0].is_refreshed, user.uses.len()))
            .collect();
        assert_eq!(
            shown,
            [
                ("env", "envFrom", false, 1),
                ("part", "a subPath mount", false, 1),
                ("volume", "a volume", true, 1)
            ]
        );
        assert!(users.has_stale());
    }
}
