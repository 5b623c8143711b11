//! Any other program that has to end with its owner, such as the operator under test.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Result,
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
    /// Starts `program`; `name` is how messages and its log call it.
    ///
    /// # Errors
    /// When it cannot be started. That it ends early is told by [`check`](Self::check).
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

    /// The port that it says it listens at, under this field of its log; waits for that for half a
    /// minute. `None` when it ends before.
    pub fn port(&self, field: &str) -> Option<u16> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            let is_running = self.is_running();
            let log = self.log();
            let starts = [format!(" {field}="), format!("\"{field}\":\"")];
            let mut told = starts.iter().flat_map(|start| log.split(start.as_str()).skip(1));
            let port = |address: &str| {
                let address = address.split(['"', ' ', '\n']).next()?;
                // 0 is what it was asked for.
                address.rsplit_once(':')?.1.parse().ok().filter(|port| *port != 0)
            };
            if let Some(port) = told.find_map(port) {
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

    /// An error with the end of its log if it has ended.
    ///
    /// # Errors
    /// [`Error::EndedEarly`](crate::Error::EndedEarly), unless it runs.
    pub fn check(&self) -> Result<()> {
        self.lock().as_mut().map_or(Ok(()), Component::check)
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.lock().as_mut().is_some_and(|component| component.check().is_ok())
    }

    /// Sends it a signal by name, such as `KILL`, `STOP` or `CONT`.
    ///
    /// # Errors
    /// When it no longer runs.
    pub fn signal(&self, signal: &str) -> Result<()> {
        if component::signal(self.pid, signal)? { Ok(()) } else { self.check() }
    }

    /// Ends it as an orchestrator does (SIGTERM, 30 seconds, SIGKILL) and waits for that. `None` when
    /// it was stopped or killed before.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn stop(&self) -> Result<Option<ExitStatus>> {
        self.lock().take().map(|mut component| component.end()).transpose()
    }

    /// Kills it at once and waits until it is gone.
    pub fn kill(&self) {
        // Failing to signal means that it has ended, which is what is asked for.
        let _ = self.signal("KILL");
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Component>> {
        self.component.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
