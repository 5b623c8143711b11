//! A node that runs pods: containerd, kubelet and kube-scheduler.
//!
//! Everything runs in a mount and a PID namespace of its own, whose end ends it, and keeps
//! its files in one folder. Settings are in `node/files.rs`, the image for what is not
//! under test in `node/image.rs`, what is left to remove in `node/clean.sh`.

mod files;
mod image;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Result;

use crate::{
    Binary, ControlPlane, Network,
    component::{Components, Launch, signal},
    control_plane::NODE,
    disk, locate, tool,
};
use files::NodeFiles;

const START_LIMIT: Duration = Duration::from_secs(90);

/// How messages and logs call the process that the namespaces belong to.
const NAMESPACES: &str = "namespaces";
const CONTAINERD: &str = "containerd";

/// A running node. Dropping it ends it and every pod on it, and removes their files and
/// the network; drop it before the control plane.
pub struct Node {
    // The order of the fields is the order in which they end.
    components: Components,
    files: NodeFiles,
    network: Network,
}

impl Node {
    /// An image with curl and a shell, which is there from the start. Its pods say
    /// `imagePullPolicy: Never`.
    pub const CLIENT_IMAGE: &str = image::CLIENT;

    /// The namespace of containerd that kubelet takes images from.
    pub const IMAGES: &str = "k8s.io";

    /// Starts a node on the network that the control plane serves, and waits until it is
    /// ready for pods.
    pub fn start(network: Network, plane: &ControlPlane) -> Result<Self> {
        let [scheduler, kubelet] = Binary::NODE.map(locate);
        let client = image::build_client(network.folder())?;
        let files = NodeFiles::write(&network, plane)?;
        let node = Self { components: Components::default(), files, network };
        node.launch(NAMESPACES, "unshare", node.namespaces())?;
        let ready = node.network.folder().join("namespaces-ready");
        node.await_ready(NAMESPACES, || ready.exists())?;

        let config = format!("--config={}", node.files.containerd.display());
        node.enter(CONTAINERD, Path::new(CONTAINERD), [config])?;
        node.await_ready(CONTAINERD, || node.ctr(&["version"]).is_ok())?;
        node.import(&client)?;

        node.enter(Binary::Kubelet.name(), &kubelet?, node.kubelet())?;
        let kubeconfig = format!("--kubeconfig={}", plane.kubeconfig().display());
        let flags = [kubeconfig, "--leader-elect=false".into(), "--secure-port=0".into()];
        node.launch(Binary::KubeScheduler.name(), scheduler?, flags)?;
        node.await_ready(Binary::Kubelet.name(), || is_ready(plane))?;
        Ok(node)
    }

    /// Takes an image out of an archive (`buildah push NAME docker-archive:FILE:NAME`), so
    /// that pods can run it under its name.
    pub fn import(&self, archive: &Path) -> Result<()> {
        self.ctr(&["images", "import", &archive.display().to_string()])
    }

    /// Gives the client image another name, such as that of an image with the same programs
    /// which pods ask for and nobody can download here.
    pub fn name_client(&self, name: &str) -> Result<()> {
        self.ctr(&["images", "tag", Self::CLIENT_IMAGE, name])
    }

    /// Kills the kubelet, so that its pods run on without it.
    pub fn kill_kubelet(&self) -> Result<()> {
        // What was launched only waits for the process that it made in the PID namespace.
        for (_, parent) in self.pids().into_iter().filter(|(name, _)| *name == Binary::Kubelet.name()) {
            let children = disk::read(Path::new(&format!("/proc/{parent}/task/{parent}/children")))?;
            for child in children.split_whitespace() {
                signal(child.parse()?, "KILL")?;
            }
        }
        self.components.stop(&[Binary::Kubelet.name()]);
        Ok(())
    }

    /// Starts the kubelet again after [`kill_kubelet`](Self::kill_kubelet), and waits until the node is ready.
    pub fn start_kubelet(&self, plane: &ControlPlane) -> Result<()> {
        self.enter(Binary::Kubelet.name(), &locate(Binary::Kubelet)?, self.kubelet())?;
        self.await_ready(Binary::Kubelet.name(), || is_ready(plane))
    }

    /// The network that pods are on.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The socket of its containerd.
    pub fn socket(&self) -> &Path {
        &self.files.socket
    }

    /// The folder of its kubelet.
    pub fn kubelet_folder(&self) -> PathBuf {
        self.files.at("kubelet").into()
    }

    /// The names and process ids of its components.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        self.components.pids()
    }

    /// An error if a component has ended by itself: names it, with the end of its log.
    pub fn check(&self) -> Result<()> {
        self.components.check()
    }

    fn namespaces(&self) -> Vec<String> {
        let unshare = "--mount --propagation=private --pid --fork --kill-child --mount-proc sh -c";
        let mut arguments: Vec<String> = unshare.split(' ').map(str::to_owned).collect();
        arguments.extend([include_str!("node/pods.sh"), "testbed-pods"].map(str::to_owned));
        arguments.extend([self.network.home().name(), self.network.folder().display().to_string()]);
        arguments
    }

    fn kubelet(&self) -> Vec<String> {
        vec![
            format!("--config={}", self.files.kubelet.display()),
            format!("--kubeconfig={}", self.files.kubeconfig.display()),
            format!("--hostname-override={NODE}"),
            format!("--node-ip={}", self.network.addresses().gateway()),
            format!("--root-dir={}", self.files.at("kubelet")),
            format!("--cert-dir={}", self.files.at("kubelet-certificates")),
        ]
    }

    fn ctr(&self, arguments: &[&str]) -> Result<()> {
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(&self.files.socket).args(["--namespace", Self::IMAGES]).args(arguments);
        tool::run(&mut ctr).map(drop)
    }

    /// Starts a program inside the namespaces.
    fn enter(
        &self,
        name: &'static str,
        program: &Path,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<()> {
        let (_, owner) = self.components.pids()[0];
        let mut line = vec![
            format!("--mount=/proc/{owner}/ns/mnt"),
            // Its own PID namespace is that of this machine; that of its children is meant.
            format!("--pid=/proc/{owner}/ns/pid_for_children"),
            program.display().to_string(),
        ];
        line.extend(arguments);
        self.launch(name, "nsenter", line)
    }

    fn launch(
        &self,
        name: &'static str,
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<()> {
        let launch = Launch {
            name,
            program: program.into(),
            arguments: arguments.into_iter().map(OsString::from).collect(),
            environment: vec![("NO_PROXY", "*".into()), ("no_proxy", "*".into())],
            // Nothing here has anything to save.
            grace: Duration::ZERO,
        };
        self.components.start(&launch, self.network.home())
    }

    fn await_ready(&self, name: &'static str, is_ready: impl FnMut() -> bool) -> Result<()> {
        self.components.await_ready(name, START_LIMIT, is_ready)
    }
}

fn is_ready(plane: &ControlPlane) -> bool {
    let condition = "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status}";
    plane
        .kubectl()
        .args(["get", "node", NODE, condition, "--request-timeout=5s"])
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.stdout == b"True")
}
