//! What the demo plays on: a control plane, a store, the operator, and a folder.

use std::{
    env,
    ffi::OsString,
    path::{self, Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use testbed::{ControlPlane, ObjectStore, Program, disk};

use super::example::{self, REGION, noise};
use super::narrator::Narrator;
use super::{BUCKET, KEY, PATIENCE, UPLOAD_BUCKET, shell};

/// Everything that runs. Dropping it ends it and removes its files; the testbed's guards
/// do the same when the demo is killed.
pub(super) struct DemoCluster {
    // The order of the fields is the order in which they end.
    pub(super) operator: Program,
    plane: ControlPlane,
    pub(super) store: ObjectStore,
    folder: PathBuf,
    /// The object in the store, as it was put there.
    pub(super) object: Vec<u8>,
}

impl DemoCluster {
    /// Starts everything and installs the definitions.
    pub(super) fn set(operator: Option<&Path>, narrator: &mut Narrator) -> Result<Self> {
        let program = find_operator(operator)?;
        narrator.step("Start a Kubernetes control plane and an S3 server, both real, on loopback");
        let plane = ControlPlane::start()?;
        let store = ObjectStore::builder().region(REGION).start()?;
        let folder = plane.folder().join("demo");
        disk::make_folder(&folder)?;
        narrator.detail(&format!("Kubernetes at {}", plane.url()));
        narrator.detail(&format!("S3 at {}, region {REGION}", store.endpoint()));

        let object = noise(100_000);
        narrator.step("Put an object into the store");
        store.put_object(BUCKET, KEY, &object)?;
        store.create_bucket(UPLOAD_BUCKET)?;
        narrator.detail(&format!("{BUCKET}/{KEY}, {} bytes", object.len()));

        narrator.step("Install the definition of PresignedUrl");
        narrator.command("presign-operator crd | kubectl apply -f -");
        let definitions = shell::output(Command::new(&program).arg("crd"), "presign-operator crd", "")?;
        let kubectl = &mut plane.kubectl();
        let applied = shell::output(kubectl.args(["apply", "-f", "-"]), "kubectl apply -f -", &definitions)?;
        narrator.details(&applied);
        let established = ["wait", "--for=condition=Established", "crd/presignedurls.presign.dev"];
        shell::output(plane.kubectl().args(established), "kubectl wait", "")?;
        // By itself garbage collection looks for new kinds every 30 s only.
        plane.restart_controller_manager()?;

        narrator.step("Start the operator");
        let (operator, address) = start_operator(&program, &plane)?;
        let cluster = Self { operator, plane, store, folder, object };
        cluster.await_operator(&address)?;
        narrator.detail(&format!("it is ready: http://{address}/readyz"));
        Ok(cluster)
    }

    fn await_operator(&self, address: &str) -> Result<()> {
        let line = format!("curl -fsS --max-time 5 http://{address}/readyz");
        self.within_patience("the operator is ready", || Ok(shell::run(&line, &self.folder).ok()))?;
        Ok(())
    }

    /// Asks again and again until there is an answer.
    fn within_patience<T>(&self, awaited: &str, ask: impl Fn() -> Result<Option<T>>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask()? {
                return Ok(answer);
            }
            self.check()?;
            ensure!(Instant::now() < deadline, "not within {} s: {awaited}", PATIENCE.as_secs());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// An error if anything has ended by itself.
    pub(super) fn check(&self) -> Result<()> {
        self.operator.check()?;
        self.plane.check()?;
        self.store.check()
    }

    /// Runs kubectl and returns what it printed.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let name = format!("kubectl {}", arguments.join(" "));
        shell::output(self.plane.kubectl().args(arguments), &name, "")
    }

    /// Applies a file of `deploy/examples`, adapted to the store.
    pub(super) fn apply_example(&self, name: &str) -> Result<String> {
        let manifest = example::read(name, &self.store)?;
        let command = format!("kubectl apply -f {name}");
        shell::output(self.plane.kubectl().args(["apply", "-f", "-"]), &command, &manifest)
    }

    /// Writes the keys of a Secret as files into a folder of this name, as kubelet does.
    pub(super) fn mount(&self, secret: &str, folder: &str) -> Result<PathBuf> {
        let folder = self.folder.join(folder);
        disk::make_folder(&folder)?;
        for key in ["url", "method", "headers", "expires-at"] {
            let template = format!("--template={{{{index .data \"{key}\" | base64decode}}}}");
            let value = self.kubectl(&["get", "secret", secret, &template])?;
            disk::write(&folder.join(key), value.as_bytes())?;
        }
        Ok(folder)
    }

    /// When the stored URL of the report was signed, as its status says.
    pub(super) fn signing_time(&self) -> Result<String> {
        self.kubectl(&["get", "psu", "report", "--output=jsonpath={.status.signingTime}"])
    }

    /// Waits until the report's status tells of another URL.
    pub(super) fn await_other_signing_time(&self, before: &str) -> Result<String> {
        self.within_patience("status.signingTime moves", || {
            Ok(Some(self.signing_time()?).filter(|time| time != before))
        })
    }
}

fn find_operator(given: Option<&Path>) -> Result<PathBuf> {
    let beside = || env::current_exe().map(|this| this.with_file_name("presign-operator"));
    let found = given.map_or_else(beside, path::absolute).context("cannot find the operator")?;
    ensure!(
        found.is_file(),
        "no operator at {}: build it with `cargo build`, or name it with --operator",
        found.display()
    );
    Ok(found)
}

fn start_operator(program: &Path, plane: &ControlPlane) -> Result<(Program, String)> {
    let environment = [
        ("KUBECONFIG", plane.kubeconfig().into()),
        // The API server is on loopback, whatever proxy this machine uses.
        ("HTTPS_PROXY", OsString::new()),
        ("https_proxy", OsString::new()),
    ];
    let arguments = ["run", "--listen", "127.0.0.1:0", "--log", "info"];
    let operator = Program::start("presign-operator", program, arguments, environment)?;
    let port = operator.port("listen");
    operator.check()?;
    let port = port.context("not within 30 s: the operator says where it listens")?;
    Ok((operator, format!("127.0.0.1:{port}")))
}
