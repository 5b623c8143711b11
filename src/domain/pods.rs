//! How the pods of a namespace use Secrets: which files kubelet keeps fresh, and which uses
//! Kubernetes never updates.
//!
//! Not here: how pods are found, and when.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Who uses a Secret in a way that never refreshes.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Frozen {
    /// The pod, or who controls it: kind and name.
    pub user: String,
    /// Name of the container.
    pub container: String,
    /// How it uses the Secret.
    pub how: FrozenUse,
}

/// Ways to use a Secret that Kubernetes never updates in a running pod.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum FrozenUse {
    /// A mount with `subPath` or `subPathExpr`.
    SubPath,
    /// `env.valueFrom.secretKeyRef`.
    Env,
    /// `envFrom.secretRef`.
    EnvFrom,
}

impl FrozenUse {
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

/// What is known of the pods that use a target Secret.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PodSight {
    /// Whether one of them never refreshes.
    pub frozen: FrozenSight,
    /// Why `spec.propagation.pokePods`, which is asked for, does nothing.
    pub no_pokes: Option<NoPokes>,
}

/// Whether a pod uses the Secret in a way that never refreshes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum FrozenSight {
    /// None does, as far as may be looked.
    #[default]
    Clear,
    /// It was not looked again since the last report.
    Unchanged,
    /// These do: the first of them, and how many others.
    By(Frozen, usize),
}

/// Why pods are not told of new URLs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoPokes {
    /// The operator is not told that it may touch pods.
    NotGranted,
    /// It is, and the API server refuses this verb.
    Forbidden(&'static str),
}

/// The part of a pod's spec that says which Secrets it uses.
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
    /// Names of the Secrets that some container has as files which kubelet refreshes.
    #[must_use]
    pub fn mounted(&self) -> BTreeSet<&str> {
        let mounts = self.containers().flat_map(|container| &container.volume_mounts);
        mounts.filter(|mount| !mount.is_part()).flat_map(|mount| self.behind(mount)).collect()
    }

    /// Secrets that a container uses in a way that never refreshes, each with the name of the
    /// container.
    pub fn frozen(&self) -> impl Iterator<Item = (&str, &str, FrozenUse)> {
        self.containers().flat_map(|container| {
            let parts = container.volume_mounts.iter().filter(|mount| mount.is_part());
            let parts = parts.flat_map(|mount| self.behind(mount)).map(|secret| (secret, FrozenUse::SubPath));
            let references = container.env.iter().filter_map(|variable| {
                variable.value_from.as_ref()?.secret_key_ref.as_ref()?.name.as_deref()
            });
            let wholes =
                container.env_from.iter().filter_map(|from| from.secret_ref.as_ref()?.name.as_deref());
            parts
                .chain(references.map(|secret| (secret, FrozenUse::Env)))
                .chain(wholes.map(|secret| (secret, FrozenUse::EnvFrom)))
                .map(|(secret, how)| (secret, container.name.as_str(), how))
        })
    }

    fn containers(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().chain(&self.init_containers).chain(&self.ephemeral_containers)
    }

    /// The Secrets in the volume that is mounted.
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

/// How a person knows a pod: by the Deployment or other controller that made it.
///
/// A Deployment names its `ReplicaSet`s after itself and a hash, and repeats the hash in the
/// label `pod-template-hash`: so it is known without a look at the `ReplicaSet`.
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

/// The first who never refreshes, and how many others there are, by Secret.
#[must_use]
pub fn first_of_each(frozen: BTreeMap<String, BTreeSet<Frozen>>) -> BTreeMap<String, (Frozen, usize)> {
    let first = |all: BTreeSet<Frozen>| {
        let users: BTreeSet<_> = all.iter().map(|frozen| &frozen.user).collect();
        let others = users.len().saturating_sub(1);
        all.into_iter().next().map(|first| (first, others))
    };
    frozen.into_iter().filter_map(|(secret, all)| Some((secret, first(all)?))).collect()
}

#[cfg(test)]
mod tests;
