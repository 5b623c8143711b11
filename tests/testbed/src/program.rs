//! Any other program that has to end with its owner, such as the operator under test.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
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

    /// Sends it a signal by name, such as `KILL`, `STOP` or `CONT`.
    ///
    /// # Errors
    /// When it no longer runs.
    pub fn signal(&self, signal: &str) -> Result<()> {
        if component::signal(self.pid, signal)? { Ok(()) } else { self.check() }
    }

    /// Ends it as an orchestrator does (SIGTERM, 30 seconds, SIGKILL) and waits for that.
    pub fn stop(&self) {
        self.lock().take();
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
