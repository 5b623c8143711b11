//! Which programs a testbed is made of, and where they are.
//!
//! How one is built is in `go.rs`.

use std::{
    env,
    path::{self, Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    go::{self, Recipe},
    progress::say,
};

/// A program that the testbed can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// The store of the API server.
    Etcd,
    /// The Kubernetes API server.
    KubeApiserver,
    /// Garbage collection, namespaces, service accounts, workloads.
    KubeControllerManager,
    /// The command line client.
    Kubectl,
    /// The S3 server.
    Versitygw,
    /// The package manager that installs the chart.
    Helm,
    /// Unit tests of the chart.
    HelmUnittest,
    /// Gives pods a node.
    KubeScheduler,
    /// Runs the pods of a node.
    Kubelet,
    /// The S3 server with roles and sessions.
    Weed,
}

impl Binary {
    /// What every testbed needs, in the order in which a person waits for them.
    pub const ALL: [Self; 7] = [
        Self::Etcd,
        Self::Versitygw,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kubectl,
        Self::Helm,
        Self::HelmUnittest,
    ];

    /// What a testbed with a node needs besides.
    pub const NODE: [Self; 2] = [Self::KubeScheduler, Self::Kubelet];

    /// What a [`SessionStore`](crate::SessionStore) needs besides.
    pub const SESSIONS: [Self; 1] = [Self::Weed];

    /// The name of the executable, which is also that of its log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Versitygw => "versitygw",
            Self::Helm => "helm",
            Self::HelmUnittest => "helm-unittest",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::Weed => "weed",
        }
    }

    fn recipe(self) -> Recipe {
        let name = self.name();
        let (module, package) = match self {
            Self::Etcd => ("etcd", "go.etcd.io/etcd/server/v3".to_owned()),
            Self::Versitygw => ("versitygw", format!("github.com/versity/versitygw/cmd/{name}")),
            Self::Helm => ("helm", format!("helm.sh/helm/v3/cmd/{name}")),
            Self::HelmUnittest => ("helm", format!("github.com/helm-unittest/helm-unittest/cmd/{name}")),
            Self::Weed => ("seaweedfs", format!("github.com/seaweedfs/seaweedfs/{name}")),
            _ => ("kubernetes", format!("k8s.io/kubernetes/cmd/{name}")),
        };
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(module);
        Recipe { module, package, binary: name.to_owned() }
    }
}

/// The path of a program: out of `KUBEBUILDER_ASSETS` where it is there, otherwise
/// built from its pinned Go module and kept in the per-user cache.
///
/// The cache is `$PRESIGN_TESTBED_CACHE`, or `presign-operator/testbed` under
/// `$XDG_CACHE_HOME` or `$HOME/.cache`.
pub fn locate(binary: Binary) -> Result<PathBuf> {
    if let Some(folder) = variable("KUBEBUILDER_ASSETS") {
        let candidate = folder.join(binary.name());
        if candidate.is_file() {
            return Ok(candidate);
        }
        say(format_args!(
            "KUBEBUILDER_ASSETS ({}) has no {}; the testbed's own is used",
            folder.display(),
            binary.name(),
        ));
    }
    go::find_or_build(&binary.recipe(), &cache()?)
}

fn cache() -> Result<PathBuf> {
    let below = "presign-operator/testbed";
    variable("PRESIGN_TESTBED_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join(below)))
        .or_else(|| variable("HOME").map(|home| home.join(".cache").join(below)))
        .context("no folder for the built binaries: set PRESIGN_TESTBED_CACHE, XDG_CACHE_HOME or HOME")
}

/// A folder named by the environment; absolute, because children run elsewhere.
fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).and_then(|value| path::absolute(value).ok())
}
