//! Any other program that has to end with its owner, such as the operator under test.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use parking_lot::Mutex;

use crate::{
    component::{self, Component, Launch},
    home::Home,
};

/// A running program with a folder and a log of its own.
pub struct Program {
    component: Mutex<Option<Component>>,
    pid: u32,
    log: PathBuf,
    home: Home,
}

impl Program {
    /// Starts `program`; `name` is how messages and its log call it. That it ends early is told
    /// by [`check`](Self::check).
    pub fn start(
        name: &'static str,
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
        environment: impl IntoIterator<Item = (&'static str, OsString)>,
    ) -> Result<Self> {
        let home = Home::create()?;
        let launch = Launch {
            name,
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: environment.into_iter().collect(),
            grace: Duration::from_secs(30),
        };
        let component = Component::start(&launch, &home)?;
        let log = home.folder().join(format!("{name}.log"));
        Ok(Self { pid: component.pid(), component: Mutex::new(Some(component)), log, home })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Everything that it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of that.
    pub fn last_lines(&self) -> String {
        component::last_lines(&self.log(), component::LOG_LINES)
    }

    /// The port that it says it listens at, under this field of its log; waits for that for half a
    /// minute. `None` when it ends before.
    pub fn port(&self, field: &str) -> Option<u16> {
        self.port_after(&[&format!(" {field}="), &format!("\"{field}\":\"")])
    }

    /// The same, where the address follows any of these words.
    pub(crate) fn port_after(&self, words: &[&str]) -> Option<u16> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            let is_running = self.is_running();
            let log = self.log();
            let mut addresses = words.iter().flat_map(|word| log.split(*word).skip(1));
            let port = |address: &str| {
                let address = address.split(['"', ' ', '\n']).next()?;
                // 0 is what it was asked for.
                address.rsplit_once(':')?.1.parse().ok().filter(|port| *port != 0)
            };
            if let Some(port) = addresses.find_map(port) {
                return Some(port);
            }
            if !is_running {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Its temporary folder, which goes when it does.
    pub fn folder(&self) -> &Path {
        self.home.folder()
    }

    /// An error with the end of its log if it has ended by itself.
    pub fn check(&self) -> Result<()> {
        self.component.lock().as_mut().map_or(Ok(()), Component::check)
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.component.lock().as_mut().is_some_and(|component| component.check().is_ok())
    }

    /// Sends it a signal by name, such as `KILL`, `STOP` or `CONT`.
    pub fn signal(&self, signal: &str) -> Result<()> {
        if component::signal(self.pid, signal)? { Ok(()) } else { self.check() }
    }

    /// Ends it as an orchestrator does (SIGTERM, 30 seconds, SIGKILL) and waits for that. `None` when
    /// it was stopped or killed before.
    pub fn stop(&self) -> Result<Option<ExitStatus>> {
        self.component.lock().take().map(|mut component| component.end()).transpose()
    }

    /// Kills it at once and waits until it is gone.
    pub fn kill(&self) {
        // Failing to signal means that it has ended, which is what is asked for.
        let _ = self.signal("KILL");
        self.component.lock().take();
    }
}
