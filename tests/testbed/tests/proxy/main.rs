//! The proxy between a client and a real API server: what it lets through, and each way in
//! which it does not.

// Clippy spares only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod chances;
mod faults;
mod holds;
mod passing;
mod watches;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{LazyLock, mpsc},
    thread,
    time::Duration,
};

use testbed::{ControlPlane, Proxy, curl_command, output};

/// The longest that anything is waited for.
const DEADLINE: Duration = Duration::from_secs(30);

static PLANE: LazyLock<ControlPlane> = LazyLock::new(|| ControlPlane::start().unwrap());

fn proxy() -> Proxy {
    Proxy::start(&PLANE).unwrap()
}

/// A namespace of its own, since a watch tells everything that happens in it.
fn namespace(name: &str) -> String {
    output(PLANE.kubectl().args(["create", "namespace", name])).unwrap();
    name.to_owned()
}

/// kubectl through the proxy.
fn through(proxy: &Proxy, arguments: &[&str]) -> Command {
    let mut kubectl = PLANE.kubectl();
    kubectl.env("KUBECONFIG", proxy.kubeconfig()).args(arguments);
    kubectl
}

/// The creation of a config map in JSON, by curl: kubectl speaks protobuf.
fn creation(proxy: &Proxy, namespace: &str, name: &str) -> Command {
    let url = format!("{}/api/v1/namespaces/{namespace}/configmaps", proxy.url());
    let body = format!(r#"{{"metadata": {{"name": "{name}"}}}}"#);
    let mut curl = curl_command();
    curl.args(["--fail", "-H", "Content-Type: application/json", "-d", &body, &url]);
    curl
}

/// Whether a config map is there, asked without the proxy.
fn exists(name: &str) -> bool {
    output(PLANE.kubectl().args(["get", "configmap", name])).is_ok()
}

/// A GET with curl: status line, headers and body, or curl's complaint.
fn curl(proxy: &Proxy, path: &str) -> Result<String, String> {
    output(curl_command().arg("-i").arg(format!("{}{path}", proxy.url())))
}

/// A program whose lines are read as they come. It is killed in the end.
struct RunningProgram {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl RunningProgram {
    fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// A watch on the config maps of a namespace, by curl.
    fn watch(proxy: &Proxy, namespace: &str) -> Self {
        let url = format!("{}/api/v1/namespaces/{namespace}/configmaps?watch=true", proxy.url());
        Self::of(curl_command().args(["--no-buffer", "--max-time", "0", &url]))
    }

    /// Waits for a line that contains `text`.
    fn wait_for(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(DEADLINE);
            let line = line.unwrap_or_else(|error| panic!("waited for {text:?}: {error}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits until it ends: whether well, and the lines that were left.
    fn end(mut self) -> (bool, Vec<String>) {
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => rest.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it has not ended: {rest:?}"),
            }
        }
        (self.child.wait().unwrap().success(), rest)
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
