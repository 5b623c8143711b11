//! How the pods of a namespace use Secrets: which files kubelet refreshes, and which uses Kubernetes
//! never updates.
//!
//! Not here: how and when pods are listed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// A user of a Secret that never sees a new URL, because of the way it uses the Secret.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct StaleUser {
    /// Kind and name of the pod, or of its controller.
    pub user: String,
    /// Name of the container.
    pub container: String,
    /// How the container uses the Secret.
    pub how: StaleUse,
}

/// A way to use a Secret that Kubernetes never updates in a running pod.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum StaleUse {
    /// A mount with `subPath` or `subPathExpr`.
    SubPath,
    /// `env.valueFrom.secretKeyRef`.
    Env,
    /// `envFrom.secretRef`.
    EnvFrom,
}

impl StaleUse {
    /// The use as part of a sentence.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::SubPath => "a subPath mount",
            Self::Env => "an environment variable",
            Self::EnvFrom => "envFrom",
        }
    }
}

/// What is known about the pods that use a target Secret.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PodUses {
    /// Whether one of them never sees a new URL.
    pub stale: StaleUsers,
    /// Why `spec.podRefresh: Annotate` does nothing, if the spec has it.
    pub no_annotation: Option<NoAnnotation>,
}

/// Whether a pod uses the Secret in a way that Kubernetes never updates.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum StaleUsers {
    /// No pod does, as far as pods may be listed.
    #[default]
    Clear,
    /// Pods were not listed since the last report.
    Unchanged,
    /// Some pods do: the first user, and the number of other users.
    By(StaleUser, usize),
}

/// Why pods are not annotated after a new URL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoAnnotation {
    /// The operator runs without the flag that permits it to use pods.
    NotGranted,
    /// The flag is set, but the API server refuses this verb.
    Forbidden(&'static str),
}

/// The part of the spec of a pod that says which Secrets it uses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    volumes: Vec<Volume>,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    ephemeral_containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Volume {
    name: String,
    secret: Option<SecretVolume>,
    projected: Option<Projected>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SecretVolume {
    secret_name: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Projected {
    sources: Vec<Source>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Source {
    secret: Option<Named>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    name: String,
    env: Vec<Variable>,
    env_from: Vec<EnvFrom>,
    volume_mounts: Vec<Mount>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Variable {
    value_from: Option<ValueFrom>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ValueFrom {
    secret_key_ref: Option<Named>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EnvFrom {
    secret_ref: Option<Named>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Mount {
    name: String,
    sub_path: Option<String>,
    sub_path_expr: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: Option<String>,
}

impl PodSpec {
    /// Names of the Secrets that a container mounts as files, which kubelet refreshes.
    #[must_use]
    pub fn mounted(&self) -> BTreeSet<&str> {
        let mounts = self.containers().flat_map(|container| &container.volume_mounts);
        mounts.filter(|mount| !mount.is_part()).flat_map(|mount| self.behind(mount)).collect()
    }

    /// The Secrets that a container uses in a way that Kubernetes never updates, each with the name of
    /// the container.
    pub fn stale(&self) -> impl Iterator<Item = (&str, &str, StaleUse)> {
        self.containers().flat_map(|container| {
            let parts = container.volume_mounts.iter().filter(|mount| mount.is_part());
            let parts = parts.flat_map(|mount| self.behind(mount)).map(|secret| (secret, StaleUse::SubPath));
            let references = container.env.iter().filter_map(|variable| {
                variable.value_from.as_ref()?.secret_key_ref.as_ref()?.name.as_deref()
            });
            let wholes =
                container.env_from.iter().filter_map(|from| from.secret_ref.as_ref()?.name.as_deref());
            parts
                .chain(references.map(|secret| (secret, StaleUse::Env)))
                .chain(wholes.map(|secret| (secret, StaleUse::EnvFrom)))
                .map(|(secret, how)| (secret, container.name.as_str(), how))
        })
    }

    fn containers(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().chain(&self.init_containers).chain(&self.ephemeral_containers)
    }

    /// The Secrets in the volume of a mount.
    fn behind(&self, mount: &Mount) -> impl Iterator<Item = &str> {
        self.volumes.iter().filter(|volume| volume.name == mount.name).flat_map(|volume| {
            let whole = volume.secret.iter().filter_map(|secret| secret.secret_name.as_deref());
            let sources = volume.projected.iter().flat_map(|projected| &projected.sources);
            whole.chain(sources.filter_map(|source| source.secret.as_ref()?.name.as_deref()))
        })
    }
}

impl Mount {
    fn is_part(&self) -> bool {
        [&self.sub_path, &self.sub_path_expr].into_iter().flatten().any(|path| !path.is_empty())
    }
}

/// The name by which users know a pod: that of the Deployment or other controller that created it.
///
/// The name of a `ReplicaSet` is that of its Deployment and a hash, and the label `pod-template-hash`
/// repeats the hash. The Deployment is therefore known without a read of the `ReplicaSet`.
#[must_use]
pub fn user(pod: &str, controller: Option<(&str, &str)>, template_hash: Option<&str>) -> String {
    let Some((kind, name)) = controller else {
        return format!("Pod {pod:?}");
    };
    let deployment = template_hash
        .filter(|_| kind == "ReplicaSet")
        .and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'))
        .filter(|deployment| !deployment.is_empty());
    match deployment {
        Some(deployment) => format!("Deployment {deployment:?}"),
        None => format!("{kind} {name:?}"),
    }
}

/// For each Secret, the first user that never sees a new URL, and the number of other users.
#[must_use]
pub fn first_of_each(stale: BTreeMap<String, BTreeSet<StaleUser>>) -> BTreeMap<String, (StaleUser, usize)> {
    let first = |all: BTreeSet<StaleUser>| {
        let users: BTreeSet<_> = all.iter().map(|stale| &stale.user).collect();
        let others = users.len().saturating_sub(1);
        all.into_iter().next().map(|first| (first, others))
    };
    stale.into_iter().filter_map(|(secret, all)| Some((secret, first(all)?))).collect()
}

#[cfg(test)]
mod tests;
