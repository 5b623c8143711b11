//! A node runs pods, and leaves nothing behind however it ends. Needs root and what
//! `make node` installs, so it is not among the usual tests: `make e2e` runs it.

// Clippy spares only the test functions themselves.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use testbed::{ControlPlane, Network, Node, ObjectStore, wait_until};

/// What a node could leave behind, by the name of its folder.
struct Traces {
    folder: PathBuf,
}

impl Traces {
    fn of(folder: &Path) -> Self {
        let traces = Self { folder: folder.to_owned() };
        assert!(!traces.found().is_empty(), "a running node has traces");
        traces
    }

    fn found(&self) -> Vec<String> {
        let name = self.folder.file_name().unwrap().to_str().unwrap();
        let bridge = name.replace("presign-testbed-", "psb-");
        let groups = fs::read_dir("/sys/fs/cgroup").unwrap().map(|entry| entry.unwrap().path());
        let mut places: Vec<PathBuf> = groups.map(|hierarchy| hierarchy.join(name)).collect();
        places.push(Path::new("/sys/fs/cgroup").join(name));
        places.push(Path::new("/sys/class/net").join(bridge));
        places.push(self.folder.clone());
        let mut found: Vec<String> =
            places.iter().filter(|place| place.exists()).map(|place| place.display().to_string()).collect();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        found.extend(mounts.lines().filter(|line| line.contains(name)).map(str::to_owned));
        found.extend(processes(name));
        found
    }

    fn go(&self) {
        let is_gone = || self.found().is_empty();
        wait_until("nothing of the node is left", Duration::from_secs(30), is_gone);
    }
}

/// The command lines that hold a name.
fn processes(name: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
    let lines = entries.filter_map(|path| fs::read(path).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(name)).collect()
}

fn run(command: &mut Command) -> String {
    testbed::output(command).unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

#[test]
fn a_pod_reaches_the_servers_and_everything_goes_with_the_node() {
    let network = Network::create().unwrap();
    let store = ObjectStore::builder().network(&network).start().unwrap();
    let plane = ControlPlane::builder().network(&network).start().unwrap();
    let node = Node::start(network, &plane).unwrap();
    let traces = Traces::of(node.network().folder());

    let image = format!("--image={}", Node::CLIENT_IMAGE);
    let script = format!(
        "curl -ks https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/version; curl -s {}/x",
        store.endpoint()
    );
    run(plane
        .kubectl()
        .args(["run", "pod", &image, "--image-pull-policy=Never", "--restart=Never"])
        .args(["--", "sh", "-c", &script]));
    let phase = "--for=jsonpath={.status.phase}=Succeeded";
    run(plane.kubectl().args(["wait", phase, "pod/pod", "--timeout=60s"]));
    let said = run(plane.kubectl().args(["logs", "pod"]));
    assert!(said.contains("\"gitVersion\"") && said.contains("<Code>"), "{said}");
    node.check().unwrap();

    drop(node);
    traces.go();
}

#[test]
fn leaves_nothing_behind_when_killed() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .args(["up", "--node"])
        .env_remove("PRESIGN_TESTBED_KEEP")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines().map(Result::unwrap);
    let kubeconfig = lines.next().expect("up has not ended");
    let kubeconfig = kubeconfig.strip_prefix("export KUBECONFIG='").unwrap().trim_end_matches('\'');
    let folders = lines.filter_map(|line| Some(PathBuf::from(line.strip_prefix("# files and logs: ")?)));
    let folders: Vec<PathBuf> = folders.take(3).collect();
    let traces = Traces::of(&folders[2]);

    let kubectl = testbed::locate(testbed::Binary::Kubectl).unwrap();
    let kubectl = || {
        let mut command = Command::new(&kubectl);
        command.env("KUBECONFIG", kubeconfig).envs([("NO_PROXY", "*"), ("no_proxy", "*")]);
        command
    };
    let image = format!("--image={}", Node::CLIENT_IMAGE);
    run(kubectl().args(["run", "pod", &image, "--image-pull-policy=Never"]));
    run(kubectl().args(["wait", "--for=condition=Ready", "pod/pod", "--timeout=60s"]));

    owner.kill().unwrap();
    owner.wait().unwrap();
    traces.go();
}
