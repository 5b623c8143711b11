//! The replicas of the operator, each on a way of its own to the API server.

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use presign_operator::controller::Snapshot;
use testbed::{Program, Proxy};

use crate::harness::PERMITTED_STS;
use crate::harness::World;
use crate::operator::{CHILD, SOCKET};
use crate::sessions;

/// Short, so that the lead changes often.
pub const LEASE: Duration = Duration::from_secs(4);
/// Where the Lease is.
pub const HOME: &str = "chaos-home";

/// One place for a process, which is another one after each kill.
pub struct Replica {
    number: usize,
    starts: usize,
    program: Option<Program>,
    pub proxy: Proxy,
    socket: PathBuf,
    /// From when to when it stood still.
    pub pauses: Vec<(Instant, Instant)>,
    /// What the processes before this one logged.
    logs: String,
}

impl Replica {
    pub fn start(number: usize) -> Self {
        let proxy = Proxy::start(&World::get_blocking().plane).unwrap();
        proxy.keep_record();
        let mut replica = Self {
            number,
            starts: 0,
            program: None,
            proxy,
            socket: PathBuf::new(),
            pauses: Vec::new(),
            logs: String::new(),
        };
        replica.start_again();
        replica
    }

    /// Kills the process.
    pub fn kill(&mut self) {
        if let Some(program) = self.program.take() {
            program.kill();
            self.keep_log(&program);
        }
    }

    /// Ends the process as a rollout does.
    pub fn stop(&mut self) {
        if let Some(program) = self.program.take() {
            let status = program.stop().unwrap();
            self.keep_log(&program);
            // Amid faults it may have to give up what runs, but it never panics.
            let code = status.and_then(|status| status.code());
            assert_ne!(code, Some(101), "replica {} panicked:\n{}", self.number, self.logs);
        }
    }

    fn keep_log(&mut self, program: &Program) {
        let before = std::mem::take(&mut self.logs);
        self.logs = format!("{before}--- start {}\n{}", self.starts, program.log());
    }

    /// Starts a process if there is none.
    pub fn start_again(&mut self) {
        if self.program.is_some() {
            return;
        }
        self.starts += 1;
        let plane = &World::get_blocking().plane;
        self.socket = plane.folder().join(format!("memory-{}-{}", self.number, self.starts));
        let name = format!("replica-{}-{}", self.number, self.starts);
        let arguments = [CHILD, "--listen", "127.0.0.1:0"];
        let stores = [World::get_blocking().store.endpoint(), sessions::endpoint()];
        let stores = stores.map(|store| store.trim_start_matches("http://").to_owned()).join(",");
        let variables = [
            ("KUBECONFIG", self.proxy.kubeconfig().as_os_str().to_owned()),
            ("PRESIGN_LOG", "info,presign_operator=debug".into()),
            ("PRESIGN_LEASE_NAMESPACE", HOME.into()),
            ("PRESIGN_LEASE_DURATION", LEASE.as_secs().to_string().into()),
            ("HOSTNAME", OsString::from(name)),
            (SOCKET, self.socket.clone().into_os_string()),
            (PERMITTED_STS.0, PERMITTED_STS.1.into()),
            ("PRESIGN_VERIFY", "true".into()),
            ("PRESIGN_VERIFY_ALLOW", stores.into()),
        ];
        let binary = std::env::current_exe().unwrap();
        self.program = Some(Program::start("presign-operator", binary, arguments, variables).unwrap());
    }

    /// Stops it where it is.
    pub fn freeze(&mut self) {
        if let Some(program) = &self.program {
            program.signal("STOP").unwrap();
            self.pauses.push((Instant::now(), Instant::now()));
        }
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        if let Some(program) = &self.program {
            program.signal("CONT").unwrap();
            if let Some(last) = self.pauses.last_mut() {
                last.1 = Instant::now();
            }
        }
    }

    /// An error with the end of its log if it has ended by itself.
    pub fn check(&self) -> testbed::Result<()> {
        self.program.as_ref().map_or(Ok(()), Program::check)
    }

    /// What it holds in memory; nothing if it does not answer.
    pub fn memory(&self) -> Option<Snapshot> {
        let mut stream = UnixStream::connect(&self.socket).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// What all its processes logged.
    pub fn log(&self) -> String {
        let last = self.program.as_ref().map(Program::log).unwrap_or_default();
        format!("{}--- start {}\n{last}", self.logs, self.starts)
    }
}
