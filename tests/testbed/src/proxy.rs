//! A way to the API server on which things can go wrong.
//!
//! Plain HTTP from the client under test to here; from here on through `kubectl proxy`,
//! which knows TLS and tokens. What goes wrong is decided request by request, by the
//! [`Fault`]s that are in force.

mod forward;
mod hold;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, watch};

use crate::{ControlPlane, Error, Program, Result, ports};

pub use hold::Hold;

/// Which requests a fault is for.
#[derive(Clone, Debug)]
pub struct Match {
    method: &'static str,
    path: String,
}

impl Match {
    /// Requests with this method (`*` for any) whose path and query contain `path`.
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into() }
    }

    fn is_met(&self, method: &str, path: &str) -> bool {
        (self.method == "*" || self.method == method) && path.contains(&self.path)
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection is closed without an answer.
    Drop,
    /// The request waits this long before it goes on.
    Delay(Duration),
    /// A status is answered in place of the API server, with a reason and a message; with
    /// how many seconds to stay away, if not 0.
    Answer {
        /// HTTP status code.
        code: u16,
        /// The reason in the status, such as `Conflict`.
        reason: &'static str,
        /// Seconds for `Retry-After`.
        retry_after: u32,
    },
}

#[derive(Clone)]
enum Action {
    Fault(Fault),
    Hold { hold: Hold, is_after: bool },
}

struct Rule {
    number: u64,
    matching: Match,
    action: Action,
    /// How often it still applies.
    left: u64,
}

/// A running proxy; what it forwards ends when it is dropped.
pub struct Proxy {
    kubeconfig: PathBuf,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
    // Last: it has to outlive what goes through it.
    _upstream: Program,
}

struct Shared {
    upstream: u16,
    rules: Mutex<Vec<Rule>>,
    numbers: AtomicU64,
    /// Raised to close every watch that is open.
    cuts: watch::Sender<u64>,
    /// Method and path of every request, in order.
    seen: watch::Sender<Vec<String>>,
}

impl Proxy {
    /// Starts a proxy in front of a control plane.
    ///
    /// # Errors
    /// When `kubectl proxy` does not start or no port is free.
    pub fn start(plane: &ControlPlane) -> Result<Self> {
        let (upstream, program) = upstream(plane)?;
        let port = ports::free()?;
        let shared = Arc::new(Shared {
            upstream,
            rules: Mutex::default(),
            numbers: AtomicU64::default(),
            cuts: watch::Sender::default(),
            seen: watch::Sender::default(),
        });
        let kubeconfig = program.folder().join("proxy.kubeconfig");
        fs::write(&kubeconfig, kubeconfig_text(port)).map_err(Error::io("write", &kubeconfig))?;
        let (stop, stopped) = oneshot::channel();
        let (listening, ready) = std::sync::mpsc::channel();
        let serving = shared.clone();
        let thread = thread::spawn(move || forward::run(port, &serving, stopped, &listening));
        ready.recv().map_err(|_| Error::PortTaken { component: "proxy", port })?;
        Ok(Self { kubeconfig, shared, stop: Some(stop), thread: Some(thread), _upstream: program })
    }

    /// The kubeconfig of whoever goes through the proxy, with all rights.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Lets a fault happen to the next `times` requests that match.
    pub fn fault(&self, matching: Match, times: u64, fault: Fault) {
        self.add(matching, times, Action::Fault(fault));
    }

    /// Holds the next request that matches before it reaches the API server.
    pub fn hold(&self, matching: Match) -> Hold {
        self.add_hold(matching, false)
    }

    /// Holds the answer to the next request that matches, which the API server has carried
    /// out by then.
    pub fn hold_answer(&self, matching: Match) -> Hold {
        self.add_hold(matching, true)
    }

    /// Ends all faults; what is held stays held.
    pub fn heal(&self) {
        self.shared.rules().clear();
    }

    /// Closes every watch that is open.
    pub fn cut_watches(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Method and path of every request so far.
    pub fn seen(&self) -> Vec<String> {
        self.shared.seen.borrow().clone()
    }

    /// Waits until `count` requests whose "METHOD path" contains `text` have come, or gives
    /// up at the deadline and says `false`.
    pub async fn wait_for(&self, text: &str, count: usize, deadline: Duration) -> bool {
        let mut seen = self.shared.seen.subscribe();
        let enough = |seen: &Vec<String>| seen.iter().filter(|line| line.contains(text)).count() >= count;
        tokio::time::timeout(deadline, seen.wait_for(enough)).await.is_ok_and(|seen| seen.is_ok())
    }

    fn add_hold(&self, matching: Match, is_after: bool) -> Hold {
        let hold = Hold::default();
        self.add(matching, 1, Action::Hold { hold: hold.clone(), is_after });
        hold
    }

    fn add(&self, matching: Match, times: u64, action: Action) {
        let number = self.shared.numbers.fetch_add(1, Ordering::Relaxed);
        self.shared.rules().push(Rule { number, matching, action, left: times });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to happen to a request: the first rule that matches and still applies.
    fn action(&self, method: &str, path: &str) -> Option<Action> {
        self.seen.send_modify(|seen| seen.push(format!("{method} {path}")));
        let mut rules = self.rules();
        rules.sort_by_key(|rule| rule.number);
        let rule = rules.iter_mut().find(|rule| rule.left > 0 && rule.matching.is_met(method, path))?;
        rule.left -= 1;
        Some(rule.action.clone())
    }
}

/// Starts `kubectl proxy` and waits until it answers.
fn upstream(plane: &ControlPlane) -> Result<(u16, Program)> {
    let port = ports::free()?;
    let kubeconfig = plane.kubeconfig().display().to_string();
    let arguments = [
        "proxy".to_owned(),
        format!("--port={port}"),
        format!("--kubeconfig={kubeconfig}"),
        "--accept-paths=.*".to_owned(),
    ];
    let kubectl = crate::locate(crate::Binary::Kubectl)?;
    let program = Program::start("kubectl-proxy", kubectl, arguments, [])?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        program.check()?;
        if Instant::now() > deadline {
            let log = program.log();
            return Err(Error::NotReady { component: "kubectl-proxy", seconds: 20, log });
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok((port, program))
}

fn kubeconfig_text(port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: proxy\n\
         clusters: [{{name: proxy, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
         users: [{{name: proxy, user: {{}}}}]\n\
         contexts: [{{name: proxy, context: {{cluster: proxy, user: proxy}}}}]\n"
    )
}
