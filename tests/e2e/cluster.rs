//! A control plane, a store and a node, and what a person types at them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use testbed::{ControlPlane, Network, Node, ObjectStore, output, output_of};

/// The region that the examples for Qencode sign for.
const REGION: &str = "us-west";

/// Everything that runs.
pub struct Cluster {
    // The order of the fields is the order in which they end.
    pub node: Node,
    pub plane: ControlPlane,
    pub store: ObjectStore,
}

impl Cluster {
    pub fn start() -> Self {
        let network = Network::create().unwrap_or_else(|error| panic!("{error}"));
        let store = ObjectStore::builder().network(&network).region(REGION).start().unwrap();
        let plane = ControlPlane::builder().network(&network).start().unwrap();
        let node = Node::start(network, &plane).unwrap_or_else(|error| panic!("{error}"));
        Self { node, plane, store }
    }

    /// Runs kubectl, which has to succeed, and returns what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_with(arguments, "")
    }

    /// The same with something on its standard input.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> String {
        let mut command = self.plane.kubectl();
        command.args(arguments);
        output_of(&mut command, input).unwrap_or_else(|said| {
            self.show_events();
            panic!("kubectl {}: {said}", arguments.join(" "))
        })
    }

    /// Makes a namespace that enforces the restricted standard, with the access key of the
    /// store in it.
    pub fn create_namespace(&self, name: &str) {
        self.kubectl(&["create", "namespace", name]);
        let restricted = "pod-security.kubernetes.io/enforce=restricted";
        self.kubectl(&["label", "namespace", name, restricted]);
    }

    /// Applies manifests that were written for Qencode, with what a person would change:
    /// another endpoint, and a real access key.
    pub fn apply(&self, namespace: &str, manifests: &str) {
        let manifests = manifests
            .replace("https://us-west.s3.qencode.com", &self.store.endpoint())
            .replace("YOUR-ACCESS-KEY-ID", self.store.access_key_id())
            .replace("YOUR-SECRET-ACCESS-KEY", self.store.secret_access_key())
            // No store asks for it: nothing is downloaded with this URL.
            .replace("YOUR-SESSION-TOKEN", "a-token");
        self.kubectl_with(&["--namespace", namespace, "apply", "--filename=-"], &manifests);
    }

    /// The lines that a Deployment or Pod prints, from its first one on, until the iterator
    /// is dropped.
    pub fn log_lines(&self, namespace: &str, name: &str) -> LogLines {
        let mut kubectl = self.plane.kubectl();
        kubectl.args(["--namespace", namespace, "logs", "--follow", name]);
        let mut child = kubectl.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        LogLines { child, lines }
    }

    /// Says on standard error what the cluster complains about.
    fn show_events(&self) {
        let mut events = self.plane.kubectl();
        events.args(["get", "events", "--all-namespaces", "--field-selector=type=Warning"]);
        eprintln!("{}", output(&mut events).unwrap_or_default());
        let mut pods = self.plane.kubectl();
        pods.args(["get", "pods", "--all-namespaces", "--output=wide"]);
        eprintln!("{}", output(&mut pods).unwrap_or_default());
    }
}

/// The lines of a log as they come.
pub struct LogLines {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Iterator for LogLines {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.lines.next().map(Result::unwrap)
    }
}

impl Drop for LogLines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of this repository.
pub fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
