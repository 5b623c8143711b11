//! etcd, kube-apiserver and kube-controller-manager, started and ended together.
//!
//! Their flags are in `control_plane/flags.rs`, the files they read in
//! `control_plane/files.rs`.

mod builder;
mod files;
mod flags;
mod saved;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Result;

use crate::{Binary, component::Components, home::Home, locate, network::Addresses, ports};
pub use builder::ControlPlaneBuilder;
pub(crate) use files::NODE;
use files::{PlaneFiles, Tokens};
use flags::{Programs, Settings};
pub use saved::SavedEtcd;

/// Ready takes 4 s on two idle cores; this is for a machine that also compiles.
const START_LIMIT: Duration = Duration::from_secs(90);

/// A running control plane. Dropping it ends it and removes its files.
///
/// Its methods take `&self`, so that it can be a `static LazyLock`; it ends with
/// the process then.
pub struct ControlPlane {
    // The order of the fields is the order in which they end.
    components: Components,
    settings: Settings,
    files: PlaneFiles,
    kubectl: PathBuf,
    tokens: Tokens,
    home: Home,
}

impl ControlPlane {
    /// Starts a control plane on free loopback ports and waits until it is ready:
    /// `/readyz` is ok, and the controllers have made the first service account.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// For a control plane that differs from the usual one.
    pub fn builder() -> ControlPlaneBuilder {
        ControlPlaneBuilder::default()
    }

    fn start_with(options: &ControlPlaneBuilder) -> Result<Self> {
        let programs = Programs::locate()?;
        let kubectl = locate(Binary::Kubectl)?;
        let home = Home::create()?;
        let settings = Settings {
            programs,
            etcd_port: ports::free()?,
            address: options.address()?,
            services: options.network.map_or("10.0.0.0/24".to_owned(), Addresses::services),
            audit_policy: options.audit_policy.clone(),
        };
        let files = PlaneFiles::below(home.folder());
        let tokens = Tokens::random();
        files.write_all(settings.address, &tokens)?;
        let plane = Self { components: Components::default(), settings, files, kubectl, tokens, home };
        plane.launch(Binary::Etcd)?;
        plane.restart_apiserver()?;
        plane.restart_controller_manager()?;
        Ok(plane)
    }

    /// The address of the API server: `https://127.0.0.1:PORT`, unless it serves a network.
    pub fn url(&self) -> String {
        files::url(self.settings.address)
    }

    /// The kubeconfig of the user `admin`, who may do everything (`system:masters`).
    pub fn kubeconfig(&self) -> &Path {
        &self.files.kubeconfig
    }

    /// The certificate that the API server's own is signed with.
    pub(crate) fn ca(&self) -> &Path {
        &self.files.ca
    }

    pub(crate) fn node_token(&self) -> &str {
        &self.tokens.node
    }

    pub(crate) fn kubelet_client_certificate(&self) -> &Path {
        &self.files.kubelet_client_certificate
    }

    /// Writes a kubeconfig for a token, for instance one of a service account.
    /// `name` is the name of the file, which goes with the control plane.
    pub fn kubeconfig_for(&self, name: &str, token: &str) -> Result<PathBuf> {
        let path = self.home.folder().join(format!("{name}.kubeconfig"));
        self.files.write_kubeconfig(&path, self.settings.address, token)?;
        Ok(path)
    }

    /// `kubectl` as `admin`, ready for more arguments.
    pub fn kubectl(&self) -> Command {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl
            .env("KUBECONFIG", &self.files.kubeconfig)
            .env("KUBECACHEDIR", self.home.folder().join("kubectl-cache"))
            // Aliases and defaults of the person at the keyboard do not belong in tests.
            .env("KUBECTL_KUBERC", "false")
            // A network's addresses are not loopback, but as close.
            .env("NO_PROXY", "*")
            .env("no_proxy", "*");
        kubectl
    }

    /// The audit log, if there is a policy for one: a JSON object per line. A line is written when its request
    /// ends, a watch also has one when it starts.
    pub fn audit_log(&self) -> PathBuf {
        self.files.audit_log.clone()
    }

    /// The folder with all of its files, logs among them (`NAME.log`).
    pub fn folder(&self) -> &Path {
        self.home.folder()
    }

    /// The names and process ids of its components.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        self.components.pids()
    }

    /// The process id of a component, if it has been started.
    pub fn pid(&self, binary: Binary) -> Option<u32> {
        self.pids().into_iter().find_map(|(name, pid)| (name == binary.name()).then_some(pid))
    }

    /// An error if a component has ended by itself: names it, with the end of its log.
    pub fn check(&self) -> Result<()> {
        self.components.check()
    }

    /// Ends the API server, so that open watches break, and starts it again on the same port
    /// and data; waits until it is ready.
    pub fn restart_apiserver(&self) -> Result<()> {
        self.launch(Binary::KubeApiserver)?;
        self.await_ready(Binary::KubeApiserver, || self.files.has_certificates())?;
        self.files.write_ca()?;
        self.await_ready(Binary::KubeApiserver, || self.answers("/readyz"))
    }

    /// Starts the controllers again. Garbage collection learns of a new CRD within
    /// 30 s by itself, or at once by this.
    pub fn restart_controller_manager(&self) -> Result<()> {
        self.launch(Binary::KubeControllerManager)?;
        let first_made = "/api/v1/namespaces/default/serviceaccounts/default";
        self.await_ready(Binary::KubeControllerManager, || self.answers(first_made))
    }

    /// Starts a component, again if it runs.
    fn launch(&self, binary: Binary) -> Result<()> {
        let launch = match binary {
            Binary::Etcd => flags::etcd(&self.settings, &self.files),
            Binary::KubeApiserver => flags::apiserver(&self.settings, &self.files),
            _ => flags::controller_manager(&self.settings, &self.files),
        };
        self.components.stop(&[binary.name()]);
        self.components.start(&launch, &self.home)
    }

    fn await_ready(&self, binary: Binary, is_ready: impl FnMut() -> bool) -> Result<()> {
        self.components.await_ready(binary.name(), START_LIMIT, is_ready)
    }

    /// Whether a GET of the path succeeds.
    ///
    /// Through kubectl (40 ms) because it is there anyway: a TLS client in this crate
    /// would be its largest dependency.
    fn answers(&self, path: &str) -> bool {
        ports::is_open(self.settings.address)
            && self
                .kubectl()
                .args(["get", "--raw", path, "--request-timeout=5s"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
    }
}
