//! The operator as users run it: the binary, as a child process.

use std::ffi::OsString;
use std::ops::Deref;
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testbed::{Program, eventually, sample};

use super::{DEADLINE, World, leaks};

/// For an operator that comes after one that was killed, or beside another: it does not wait
/// for a lease.
pub const UNOPPOSED: (&str, &str) = ("PRESIGN_LEADER_ELECT", "false");

/// A running operator that looks after one namespace.
pub struct Operator {
    program: Program,
    port: OnceLock<Option<u16>>,
    /// Whether a test ended it.
    is_ended: AtomicBool,
    world: &'static World,
    /// The namespace of its story.
    home: String,
}

impl Operator {
    /// Starts it for `namespace` with further environment variables.
    pub fn start(world: &'static World, namespace: &str, environment: &[(&'static str, &str)]) -> Self {
        Self::start_for(world, &[namespace], namespace, environment)
    }

    /// The same for several namespaces, or for all when there is none; `home` is where its
    /// lease is. It uses `ClusterSigner`s only if the environment says so.
    pub fn start_for(
        world: &'static World,
        namespaces: &[&str],
        home: &str,
        environment: &[(&'static str, &str)],
    ) -> Self {
        let mut arguments = ["run", "--listen", "127.0.0.1:0"].map(OsString::from).to_vec();
        arguments.extend(namespaces.iter().flat_map(|name| ["--namespace".into(), OsString::from(name)]));
        let mut variables = vec![
            ("KUBECONFIG", world.plane.kubeconfig().as_os_str().to_owned()),
            // Everything it could write, since it is searched for what must not be written.
            ("PRESIGN_LOG", "trace".into()),
            ("PRESIGN_LEASE_NAMESPACE", home.into()),
            // Longer than the default: on a busy machine the API server may not answer for 10 s, and a story that is
            // not about leaders should not lose its leader then. After a kill, start another with `UNOPPOSED`.
            ("PRESIGN_LEASE_DURATION", "60".into()),
            // They belong to the whole cluster: the operators of all stories would report the status of
            // the same ones, each with the objects and the keys that it knows.
            ("PRESIGN_CLUSTER_SIGNERS", "false".into()),
        ];
        variables.extend(environment.iter().map(|(name, value)| (*name, OsString::from(value))));
        let binary = env!("CARGO_BIN_EXE_presign-operator");
        let program = Program::start("presign-operator", binary, arguments, variables).unwrap();
        Self {
            program,
            port: OnceLock::new(),
            is_ended: AtomicBool::new(false),
            world,
            home: home.to_owned(),
        }
    }

    /// Kills it, as a node that fails does.
    pub fn kill(&self) {
        self.is_ended.store(true, Ordering::Relaxed);
        self.program.kill();
    }

    /// Sends it a signal by name.
    pub fn signal(&self, signal: &str) {
        self.is_ended.fetch_or(["KILL", "TERM", "INT"].contains(&signal), Ordering::Relaxed);
        self.program.signal(signal).unwrap();
    }

    /// Ends it, as a rollout does, and requires success, unless a signal of a story was there before.
    pub fn stop(&self) {
        let was_ended = self.is_ended.swap(true, Ordering::Relaxed);
        self.end(was_ended);
    }

    fn end(&self, was_ended: bool) {
        let (status, log) = (self.program.stop().unwrap(), self.log());
        // Before its first line it may not yet handle signals.
        let is_clean = |status: ExitStatus| status.success() || was_ended || !log.contains(" started ");
        assert!(status.is_none_or(is_clean), "the operator ended with {status:?}:\n{log}");
    }

    /// Where its pages are.
    #[allow(dead_code, reason = "a crowd goes there")]
    pub fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port().expect("it listens")).into()
    }

    /// The port of its probes; `None` when it ended before it had one.
    fn port(&self) -> Option<u16> {
        *self.port.get_or_init(|| self.program.port("listen"))
    }

    /// The port of its metrics, where that is another one.
    #[allow(dead_code, reason = "the RBAC tests guard it")]
    pub fn metrics_port(&self) -> u16 {
        self.program.port("metrics_listen").expect("it listens")
    }

    /// The port of its signing service, where it has one.
    #[allow(dead_code, reason = "the tests of the signing service ask it")]
    pub fn signing_port(&self) -> u16 {
        self.program.port("signing_listen").expect("it listens")
    }

    /// What one of its pages answers.
    pub fn page(&self, path: &str) -> String {
        let Some(port) = self.port() else { return String::new() };
        let url = format!("http://127.0.0.1:{port}{path}");
        testbed::output(testbed::curl_command().arg(&url)).unwrap_or_default()
    }

    /// Waits until its page of metrics is as wanted.
    #[allow(dead_code, reason = "not every test binary waits for metrics")]
    pub async fn wait_metrics(&self, deadline: Duration, wanted: &str, is_so: impl Fn(&str) -> bool) {
        let is_in_time = eventually(deadline, async || is_so(&self.page("/metrics"))).await;
        assert!(is_in_time, "not in time: {wanted}:\n{}", self.page("/metrics"));
    }

    /// Waits until its page of metrics has a line. What it counts may follow what it writes.
    #[allow(dead_code, reason = "not every test binary waits for metrics")]
    pub async fn wait_counted(&self, line: &str) {
        self.wait_metrics(DEADLINE, line, |page| page.lines().any(|there| there == line)).await;
    }

    /// Waits until it has logged a text.
    #[allow(dead_code, reason = "not every test binary waits for the log")]
    pub async fn wait_log(&self, text: &str) {
        let is_there = eventually(DEADLINE, async || self.log().contains(text)).await;
        assert!(is_there, "it does not log {text:?}:\n{}", self.log());
    }

    /// Fails when it has ended by itself.
    pub fn expect_running(&self) {
        assert!(self.is_running(), "the operator ended by itself:\n{}", self.log());
    }
}

impl Deref for Operator {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl Drop for Operator {
    /// Every story ends with a search of everything that its operators logged.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.program.stop();
            return;
        }
        let is_ended = self.is_ended.load(Ordering::Relaxed);
        if !is_ended {
            self.expect_running();
        }
        self.end(is_ended);
        assert!(!self.log().contains("which is a bug"), "a reconcile panicked:\n{}", self.log());
        leaks::assert_none(self.world, &self.home, "the operator's log", &self.log());
    }
}

/// How many reconciles found nothing to do, by a page of metrics.
#[allow(dead_code, reason = "not every test binary counts reconciles")]
pub fn kept(page: &str) -> usize {
    sample(page, "presign_reconcile_duration_seconds_count{result=\"kept\"}").unwrap_or(0)
}
