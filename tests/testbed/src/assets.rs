//! Which programs a testbed is made of, and where they are.
//!
//! How one is built is in `go.rs`.

use std::{
    env,
    path::{self, Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use strum::IntoStaticStr;

use crate::{
    go::{self, Recipe},
    progress::say,
};

/// Names another minor version of the control plane than the pinned one, such as `1.33`: one of the folders
/// `go/kubernetes-1.33` and so on.
const KUBERNETES: &str = "PRESIGN_TESTBED_KUBERNETES";

/// A program that the testbed can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, ValueEnum)]
#[strum(serialize_all = "kebab-case")]
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
    /// Checks the workflows of this repository.
    Actionlint,
    /// Checks the arguments of a CSI driver.
    CsiSanity,
}

impl Binary {
    /// What the demo runs, in the order in which a person waits for them.
    pub const DEMO: [Self; 5] =
        [Self::Etcd, Self::Versitygw, Self::KubeApiserver, Self::KubeControllerManager, Self::Kubectl];

    /// What every test needs besides.
    pub const TESTS: [Self; 2] = [Self::Helm, Self::HelmUnittest];

    /// What a testbed with a node needs besides.
    pub const NODE: [Self; 2] = [Self::KubeScheduler, Self::Kubelet];

    /// What a [`SessionStore`](crate::SessionStore) needs besides.
    pub const SESSIONS: [Self; 1] = [Self::Weed];

    /// The name of the executable, which is also that of its log.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// How long a first build took on two cores; what several programs share is built with the first one.
    const fn build_seconds(self) -> u64 {
        match self {
            Self::Etcd => 60,
            Self::Versitygw => 70,
            Self::KubeApiserver => 370,
            Self::KubeControllerManager | Self::Kubelet => 120,
            Self::Kubectl | Self::KubeScheduler => 30,
            Self::Helm => 80,
            Self::HelmUnittest => 5,
            Self::Weed => 150,
            Self::Actionlint => 15,
            Self::CsiSanity => 55,
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
            Self::Actionlint => ("actionlint", format!("github.com/rhysd/actionlint/cmd/{name}")),
            Self::CsiSanity => ("csi-sanity", format!("github.com/kubernetes-csi/csi-test/v5/cmd/{name}")),
            _ => ("kubernetes", format!("k8s.io/kubernetes/cmd/{name}")),
        };
        let other = env::var(KUBERNETES).ok().filter(|minor| !minor.is_empty());
        let module = match (self, other) {
            (Self::KubeApiserver | Self::KubeControllerManager, Some(minor)) => format!("{module}-{minor}"),
            _ => module.to_owned(),
        };
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(module);
        Recipe { module, package, binary: name.to_owned() }
    }
}

/// The path of a program: out of `KUBEBUILDER_ASSETS` where it is there; otherwise built from its pinned Go
/// module and kept in the per-user cache.
///
/// The cache is `$PRESIGN_TESTBED_CACHE`, or `presign-operator/testbed` under
/// `$XDG_CACHE_HOME` or `$HOME/.cache`.
pub fn locate(binary: Binary) -> Result<PathBuf> {
    match find_installed(binary) {
        Some(path) => Ok(path),
        None => go::find_or_build(&binary.recipe(), &cache()?),
    }
}

/// Builds those of several programs that are not there. Says before each build which one of how many it is, and
/// about how long all that are left take.
pub fn build_all(binaries: &[Binary]) -> Result<()> {
    let cache = cache()?;
    let mut missing = Vec::new();
    for binary in binaries {
        if find_installed(*binary).is_none() && !go::is_built(&binary.recipe(), &cache)? {
            missing.push(binary);
        }
    }
    for (number, binary) in missing.iter().enumerate() {
        let seconds: u64 = missing[number..].iter().map(|binary| binary.build_seconds()).sum();
        say(format_args!(
            "program {} of {} to build: {}; about {} min left on two cores",
            number + 1,
            missing.len(),
            binary.name(),
            seconds.div_ceil(60),
        ));
        go::find_or_build(&binary.recipe(), &cache)?;
    }
    Ok(())
}

/// A program that the user has already.
fn find_installed(binary: Binary) -> Option<PathBuf> {
    if let Some(folder) = variable("KUBEBUILDER_ASSETS") {
        let candidate = folder.join(binary.name());
        if candidate.is_file() {
            return Some(candidate);
        }
        say(format_args!(
            "KUBEBUILDER_ASSETS ({}) has no {}; the testbed's own is used",
            folder.display(),
            binary.name(),
        ));
    }
    None
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
