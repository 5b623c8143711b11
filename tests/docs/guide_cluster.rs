//! What the guides are played on: a control plane with everything that `deploy/install.yaml` installs, a
//! store, and the operator as a process.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use testbed::{ControlPlane, ObjectStore, Program, output_of};

use crate::pages::{read, root};

/// The binary under test.
const OPERATOR: &str = env!("CARGO_BIN_EXE_presign-operator");

/// Everything that the guides share.
pub struct GuideCluster {
    plane: ControlPlane,
    store: ObjectStore,
    operator: Program,
}

static GUIDE_CLUSTER: LazyLock<GuideCluster> = LazyLock::new(GuideCluster::start);

impl GuideCluster {
    /// The stage, started by whoever comes first.
    pub fn get() -> &'static Self {
        &GUIDE_CLUSTER
    }

    fn start() -> Self {
        let plane = ControlPlane::start().unwrap();
        let store = ObjectStore::builder().region("us-west").start().unwrap();
        // Its pods would wait for a node: the operator runs as a process.
        let manifest = read("deploy/install.yaml").replace("replicas: 2\n", "replicas: 0\n");
        output_of(plane.kubectl().args(["apply", "--server-side", "-f", "-"]), &manifest).unwrap();
        let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
        assert!(plane.kubectl().args(established).status().unwrap().success());
        // By itself garbage collection looks for new kinds every 30 s only.
        plane.restart_controller_manager().unwrap();
        let arguments = ["run", "--listen", "127.0.0.1:0", "--signer-namespace", "presign-system", "--pods"];
        let environment: [(&'static str, OsString); 4] = [
            ("KUBECONFIG", plane.kubeconfig().into()),
            ("PRESIGN_LEASE_NAMESPACE", "presign-system".into()),
            ("NO_PROXY", "*".into()),
            ("no_proxy", "*".into()),
        ];
        let operator = Program::start("presign-operator", OPERATOR, arguments, environment).unwrap();
        Self { plane, store, operator }
    }

    /// What the operator serves under `/metrics`.
    pub fn metrics(&self) -> String {
        page_of(&self.operator)
    }

    /// What a CSI driver without volumes serves there.
    pub fn metrics_of_driver(&self) -> String {
        let folder = self.plane.folder().join("driver");
        for name in ["kubelet", "state"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        let at = |flag: &str, name: &str| format!("--{flag}={}", folder.join(name).display());
        let arguments = [
            "node".to_owned(),
            "--node-name=node".to_owned(),
            "--listen=127.0.0.1:0".to_owned(),
            at("socket", "presign@url.presign.dev.sock"),
            at("kubelet-dir", "kubelet"),
            at("state-dir", "state"),
        ];
        let driver = Program::start("presign-operator-node", OPERATOR, arguments, []).unwrap();
        page_of(&driver)
    }

    /// A namespace with a kubeconfig and a folder of its own, as a user has a context and a folder.
    pub fn desk(&self, name: &str) -> Desk<'_> {
        let folder = self.plane.folder().join("guides").join(name);
        std::fs::create_dir_all(folder.join("bin")).unwrap();
        let kubeconfig = folder.join("kubeconfig");
        std::fs::copy(self.plane.kubeconfig(), &kubeconfig).unwrap();
        for link in ["deploy", "charts"] {
            symlink(root().join(link), folder.join(link)).unwrap();
        }
        let kubectl = PathBuf::from(self.plane.kubectl().get_program());
        for (program, link) in [
            (kubectl.as_path(), "kubectl"),
            (Path::new(OPERATOR), "presign-operator"),
            (Path::new(OPERATOR), "kubectl-presign"),
        ] {
            symlink(program, folder.join("bin").join(link)).unwrap();
        }
        let desk = Desk { stage: self, folder, namespace: format!("guide-{name}") };
        let namespace = &desk.namespace;
        desk.run(&format!(
            "kubectl create namespace {namespace}; kubectl config set-context --current --namespace={namespace}"
        ));
        desk
    }
}

/// What a process serves under `/metrics`.
fn page_of(program: &Program) -> String {
    let port = program.port("listen").unwrap_or_else(|| panic!("{}", program.last_lines()));
    let url = format!("http://127.0.0.1:{port}/metrics");
    testbed::curl(&[&url]).unwrap()
}

/// Where one guide is played.
pub struct Desk<'a> {
    stage: &'a GuideCluster,
    folder: PathBuf,
    namespace: String,
}

impl Desk<'_> {
    /// Runs a script, and panics with what it printed if it fails.
    #[expect(clippy::disallowed_methods, reason = "the programs of this machine are on its PATH")]
    pub fn run(&self, script: &str) {
        // What is a folder of a pod or of the machine is one of this desk.
        let folder = self.folder.display().to_string();
        let script = [" ", "@"].iter().fold(script.to_owned(), |script, before| {
            let script = script.replace(&format!("{before}/etc/"), &format!("{before}$DESK/etc/"));
            script.replace(&format!("{before}/tmp/"), &format!("{before}$DESK/tmp/"))
        });
        // What a reader replaces by a secret.
        let script = script.replace("secret-access-key=...", "secret-access-key=invented");
        let file = self.folder.join("script");
        for name in ["etc", "tmp"] {
            std::fs::create_dir_all(self.folder.join(name)).unwrap();
        }
        std::fs::write(&file, script).unwrap();
        let store = &self.stage.store;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = format!("{}:{}", self.folder.join("bin").display(), path.to_string_lossy());
        let output = Command::new("bash")
            .args(["-euo", "pipefail", file.to_str().unwrap()])
            .current_dir(&self.folder)
            .env_clear()
            .envs([
                ("PATH", path.as_str()),
                ("HOME", folder.as_str()),
                ("DESK", folder.as_str()),
                ("NO_PROXY", "*"),
                ("no_proxy", "*"),
                ("KUBECONFIG", &format!("{folder}/kubeconfig")),
                ("S3_ENDPOINT", &store.endpoint()),
                ("S3_REGION", store.region()),
                ("AWS_ACCESS_KEY_ID", store.access_key_id()),
                ("AWS_SECRET_ACCESS_KEY", store.secret_access_key()),
            ])
            .output()
            .unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success(),
            "{}: {}\n{stdout}\n{stderr}\nthe operator:\n{}",
            self.namespace,
            output.status,
            self.stage.operator.last_lines()
        );
    }
}
