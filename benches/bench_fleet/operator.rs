//! The operator as users run it, and what the kernel says of it.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::{Duration, Instant};

use testbed::{HttpAnswer, Program, http_get, kibibytes, processor_seconds};

use super::calls::Calls;
use super::scene::{FLEET, Scene};

/// How long a page may take.
const PAGE_LIMIT: Duration = Duration::from_secs(60);

/// A running operator.
pub(crate) struct Operator {
    program: Program,
    port: u16,
    started: Instant,
}

impl Operator {
    /// Starts it for the namespace of the fleet.
    pub(crate) fn start(scene: &Scene) -> Self {
        Self::launch(scene.plane.kubeconfig(), &["--namespace", FLEET], &[])
    }

    /// Starts it for one namespace, with a Lease of that name, and the credentials of `ClusterSigner`s in
    /// another namespace.
    pub(crate) fn start_beside(scene: &Scene, namespace: &str, signers: &str) -> Self {
        let variables = [("PRESIGN_SIGNER_NAMESPACE", signers), ("PRESIGN_LEASE_NAME", namespace)];
        Self::launch(scene.plane.kubeconfig(), &["--namespace", namespace], &variables)
    }

    /// Starts it for one namespace, with a Lease of that name, and an STS on this machine.
    pub(crate) fn start_with_sts(scene: &Scene, namespace: &str) -> Self {
        let variables = [("PRESIGN_LEASE_NAME", namespace), ("PRESIGN_STS_ENDPOINTS", "http://127.0.0.1")];
        Self::launch(scene.plane.kubeconfig(), &["--namespace", namespace], &variables)
    }

    /// Starts it for all namespaces under another account, which may keep a Lease in `home`.
    pub(crate) fn start_as(kubeconfig: &Path, home: &str) -> Self {
        Self::launch(kubeconfig, &[], &[("PRESIGN_LEASE_NAMESPACE", home)])
    }

    fn launch(kubeconfig: &Path, arguments: &[&str], variables: &[(&'static str, &str)]) -> Self {
        let arguments = ["run", "--listen", "127.0.0.1:0"].into_iter().chain(arguments.iter().copied());
        let variables = variables.iter().map(|(name, value)| (*name, OsString::from(value)));
        let variables = variables.chain([("KUBECONFIG", kubeconfig.as_os_str().to_owned())]);
        let started = Instant::now();
        let program =
            Program::start("presign-operator", binary(), arguments.map(OsString::from), variables).unwrap();
        let port = program.port("listen").unwrap_or_else(|| panic!("it does not listen:\n{}", program.log()));
        Self { program, port, started }
    }

    /// Waits until it says that it is ready, and returns the seconds since its start.
    pub(crate) async fn ready(&self) -> f64 {
        let deadline = self.started + Duration::from_secs(300);
        loop {
            if self.ask("/readyz").await.is_some_and(|answer| answer.status == 200) {
                return self.started.elapsed().as_secs_f64();
            }
            self.program.check().unwrap();
            assert!(Instant::now() < deadline, "not ready in time:\n{}", self.program.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until it has used less than a fiftieth of a core for two seconds.
    pub(crate) async fn quiet(&self) {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            let before = self.cpu_seconds();
            tokio::time::sleep(Duration::from_secs(2)).await;
            if self.cpu_seconds() - before <= 0.04 {
                return;
            }
            assert!(Instant::now() < deadline, "it never rests:\n{}", self.program.log());
        }
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        kibibytes(self.pid(), "VmRSS").expect("it runs")
    }

    /// Seconds of processor time so far.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        processor_seconds(self.pid()).expect("it runs")
    }

    async fn metrics(&self) -> String {
        let answer = self.ask("/metrics").await.expect("it serves its metrics");
        String::from_utf8(answer.body).expect("metrics are text")
    }

    /// The calls that it made so far, by its own count.
    pub(crate) async fn calls(&self) -> Calls {
        Calls::made(&self.metrics().await)
    }

    /// The reconciles that it finished so far.
    pub(crate) async fn reconciles(&self) -> u64 {
        let page = self.metrics().await;
        let counts = page.lines().filter(|line| line.starts_with("presign_reconcile_duration_seconds_count"));
        counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, signal: &str) {
        self.program.signal(signal).unwrap();
    }

    /// Ends it, as a rollout does.
    pub(crate) fn stop(self) {
        self.program.stop().unwrap();
    }

    async fn ask(&self, path: &str) -> Option<HttpAnswer> {
        let (address, path) = (SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port), path.to_owned());
        tokio::task::spawn_blocking(move || http_get(address, &path, PAGE_LIMIT)).await.ok()?.ok()
    }
}

/// The size of its binary in bytes.
pub(crate) fn binary_size() -> u64 {
    fs::metadata(binary()).unwrap().len()
}

/// The binary of this build, or another one to compare with.
#[expect(clippy::disallowed_methods, reason = "this is a program of its own")]
fn binary() -> OsString {
    std::env::var_os("BENCH_OPERATOR").unwrap_or_else(|| env!("CARGO_BIN_EXE_presign-operator").into())
}
