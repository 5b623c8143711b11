//! etcd, kube-apiserver and kube-controller-manager, started and ended together.
//!
//! Their flags are in `control_plane/flags.rs`, the files they read in
//! `control_plane/files.rs`.

mod builder;
mod files;
mod flags;
mod saved;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    Binary, Error, Result,
    component::{Component, await_ready},
    home::Home,
    locate,
    network::Addresses,
    ports,
};
pub use builder::ControlPlaneBuilder;
pub(crate) use files::NODE;
use files::{Files, Tokens};
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
    components: Mutex<Vec<Component>>,
    settings: Settings,
    files: Files,
    kubectl: PathBuf,
    tokens: Tokens,
    home: Home,
}

impl ControlPlane {
    /// Starts a control plane on free loopback ports and waits until it is ready:
    /// `/readyz` is ok, and the controllers have made the first service account.
    ///
    /// # Errors
    /// When a program cannot be found or built, ends early or is not ready in time.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// For a control plane that differs from the usual one.
    #[must_use]
    pub fn builder() -> ControlPlaneBuilder {
        ControlPlaneBuilder::default()
    }

    fn start_with(options: &ControlPlaneBuilder, programs: &Programs) -> Result<Self> {
        let home = Home::create()?;
        let settings = Settings {
            programs: programs.clone(),
            etcd_port: ports::free()?,
            address: options.address()?,
            services: options.network.map_or("10.0.0.0/24".to_owned(), Addresses::services),
            apiserver_arguments: options.apiserver_arguments.clone(),
        };
        let files = Files::below(home.folder());
        let tokens = Tokens::random();
        files.write_all(settings.address, &tokens)?;
        let plane = Self {
            components: Mutex::default(),
            kubectl: locate(Binary::Kubectl)?,
            settings,
            files,
            tokens,
            home,
        };
        plane.launch(Binary::Etcd)?;
        plane.start_apiserver()?;
        plane.start_controller_manager()?;
        Ok(plane)
    }

    /// The address of the API server: `https://127.0.0.1:PORT`, unless it serves a network.
    #[must_use]
    pub fn url(&self) -> String {
        files::url(self.settings.address)
    }

    /// The certificate that the API server's own is signed with, as PEM.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn ca_pem(&self) -> Result<String> {
        fs::read_to_string(&self.files.ca).map_err(Error::io("read", &self.files.ca))
    }

    /// The kubeconfig of the user `admin`, who may do everything (`system:masters`).
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.files.kubeconfig
    }

    /// The token of `admin`.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.tokens.admin
    }

    /// The token of `guest`, who may do what is granted to every authenticated user.
    #[must_use]
    pub fn guest_token(&self) -> &str {
        &self.tokens.guest
    }

    pub(crate) fn node_token(&self) -> &str {
        &self.tokens.node
    }

    pub(crate) fn kubelet_client_certificate(&self) -> &Path {
        &self.files.kubelet_client_certificate
    }

    /// Writes a kubeconfig for a token, for instance one of a service account.
    /// `name` is the name of the file, which goes with the control plane.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig_for(&self, name: &str, token: &str) -> Result<PathBuf> {
        let path = self.home.folder().join(format!("{name}.kubeconfig"));
        self.files.write_kubeconfig(&path, self.settings.address, token)?;
        Ok(path)
    }

    /// `kubectl` as `admin`, ready for more arguments.
    #[must_use]
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

    /// One JSON object per line for each request that was answered, without bodies.
    /// A line is written when its request ends, a watch also has one when it starts.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.files.audit_log.clone()
    }

    /// The folder with all of its files, logs among them (`NAME.log`).
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.home.folder()
    }

    /// The process id of a component, if it has been started.
    #[must_use]
    pub fn pid(&self, binary: Binary) -> Option<u32> {
        self.components().iter().find(|component| component.name() == binary.name()).map(Component::pid)
    }

    /// An error if a component has ended by itself.
    ///
    /// # Errors
    /// Names the component, with the end of its log.
    pub fn check(&self) -> Result<()> {
        self.components().iter_mut().try_for_each(Component::check)
    }

    /// Ends the API server; open watches break. What it stored stays in etcd.
    pub fn stop_apiserver(&self) {
        self.stop(Binary::KubeApiserver);
    }

    /// Starts the API server again, on the same port and data, and waits until it is ready.
    ///
    /// # Errors
    /// When it ends early or is not ready in time.
    pub fn start_apiserver(&self) -> Result<()> {
        self.launch(Binary::KubeApiserver)?;
        self.await_ready(Binary::KubeApiserver, || self.files.has_certificates())?;
        self.files.write_ca()?;
        self.await_ready(Binary::KubeApiserver, || self.answers("/readyz"))
    }

    /// [`Self::stop_apiserver`] and [`Self::start_apiserver`].
    ///
    /// # Errors
    /// When it ends early or is not ready in time.
    pub fn restart_apiserver(&self) -> Result<()> {
        self.stop_apiserver();
        self.start_apiserver()
    }

    /// Starts the controllers again. Garbage collection learns of a new CRD within
    /// 30 s by itself, or at once by this.
    ///
    /// # Errors
    /// When they end early or are not ready in time.
    pub fn restart_controller_manager(&self) -> Result<()> {
        self.stop(Binary::KubeControllerManager);
        self.start_controller_manager()
    }

    fn start_controller_manager(&self) -> Result<()> {
        self.launch(Binary::KubeControllerManager)?;
        let first_made = "/api/v1/namespaces/default/serviceaccounts/default";
        self.await_ready(Binary::KubeControllerManager, || self.answers(first_made))
    }

    fn launch(&self, binary: Binary) -> Result<()> {
        let launch = match binary {
            Binary::Etcd => flags::etcd(&self.settings, &self.files),
            Binary::KubeApiserver => flags::apiserver(&self.settings, &self.files),
            _ => flags::controller_manager(&self.settings, &self.files),
        };
        self.stop(binary);
        let component = Component::start(&launch, &self.home)?;
        self.components().push(component);
        Ok(())
    }

    fn stop(&self, binary: Binary) {
        self.stop_all(&[binary]);
    }

    fn stop_all(&self, binaries: &[Binary]) {
        let is_one = |component: &Component| binaries.iter().any(|binary| binary.name() == component.name());
        let mut components = self.components();
        // All at once, not one grace period after the other.
        components.iter_mut().filter(|component| is_one(component)).for_each(Component::let_go);
        components.retain(|component| !is_one(component));
    }

    fn await_ready(&self, binary: Binary, is_ready: impl FnMut() -> bool) -> Result<()> {
        await_ready(&mut self.components(), binary.name(), START_LIMIT, is_ready)
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

    fn components(&self) -> MutexGuard<'_, Vec<Component>> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // All at once, not one grace period after the other.
        self.components().iter_mut().for_each(Component::let_go);
    }
}
