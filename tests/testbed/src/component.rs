//! Child processes that end with their owner.
//!
//! What to run is decided elsewhere; here it is started, watched and ended.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use parking_lot::Mutex;

use crate::{disk::cannot, home::Home};

/// Lines of a log that an error quotes.
pub(crate) const LOG_LINES: usize = 15;
const POLL: Duration = Duration::from_millis(20);

/// What to run.
pub(crate) struct Launch {
    /// How messages and files name it.
    pub(crate) name: &'static str,
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// Variables added to our own environment.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    /// How long it may take to end when asked to, before it is killed.
    pub(crate) grace: Duration,
}

/// The argument that gives a flag, with its dashes, a value.
pub(crate) fn flag(name: &str, value: impl Into<OsString>) -> OsString {
    let mut argument = OsString::from(format!("{name}="));
    argument.push(value.into());
    argument
}

/// A child process under a guard (`guard.sh`), which ends it when we end.
pub(crate) struct Component {
    name: &'static str,
    pid: u32,
    log: PathBuf,
    guard: Child,
    lifeline: Option<ChildStdin>,
}

impl Component {
    /// Starts it in the home's folder, which stays until it has ended.
    pub(crate) fn start(launch: &Launch, home: &Home) -> Result<Self> {
        Self::start_in(home.folder(), launch, home.hold()?)
    }

    /// Starts it in a folder, where its log goes; `held` stays open as long as its guard lives.
    pub(crate) fn start_in(folder: &Path, launch: &Launch, held: Stdio) -> Result<Self> {
        let name = launch.name;
        let log = folder.join(format!("{name}.log"));
        let pid_file = folder.join(format!("{name}.pid"));
        let _ = fs::remove_file(&pid_file);
        let output =
            OpenOptions::new().create(true).append(true).open(&log).map_err(cannot("write", &log))?;
        let grace_tenths = launch.grace.as_millis() / 100;
        let mut guard = Command::new("sh")
            .args(["-c", include_str!("guard.sh"), "testbed-guard"])
            .arg(&pid_file)
            .arg(grace_tenths.to_string())
            .arg(&launch.program)
            .args(&launch.arguments)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            // Ctrl-C goes to the whole foreground group; ending is the guard's business.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(held)
            .stderr(output)
            .spawn()
            .map_err(cannot("run", "sh"))?;
        let lifeline = guard.stdin.take();
        let mut component = Self { name, pid: 0, log, guard, lifeline };
        component.pid = component.await_pid(&pid_file)?;
        Ok(component)
    }

    /// The process id of the program, which its guard writes down first of all.
    fn await_pid(&mut self, file: &Path) -> Result<u32> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let written = fs::read_to_string(file).unwrap_or_default();
            if let Some(pid) = written.strip_suffix('\n').and_then(|pid| pid.parse().ok()) {
                return Ok(pid);
            }
            if self.ended()?.is_some() || Instant::now() > deadline {
                bail!("the guard of {} has written no process id into {}", self.name, file.display());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Its process id (not that of its guard).
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.guard.try_wait().map_err(cannot("wait for", "sh"))
    }

    /// An error if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.ended()? {
            bail!("{} ended early ({status}); the end of its log:\n{}", self.name, self.last_lines());
        }
        Ok(())
    }

    /// Lets go of it, so that the guard ends it; does not wait.
    fn let_go(&mut self) {
        self.lifeline = None;
    }

    /// Ends it and waits for that; how it ended.
    pub(crate) fn end(&mut self) -> Result<ExitStatus> {
        self.let_go();
        self.guard.wait().map_err(cannot("wait for", "sh"))
    }

    /// The end of its log.
    pub(crate) fn last_lines(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&log), LOG_LINES)
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// What is started one after the other, watched as a whole, and ended together.
#[derive(Default)]
pub(crate) struct Components(Mutex<Vec<Component>>);

impl Components {
    /// Starts one more.
    pub(crate) fn start(&self, launch: &Launch, home: &Home) -> Result<()> {
        let component = Component::start(launch, home)?;
        self.0.lock().push(component);
        Ok(())
    }

    /// Polls `is_ready` until it holds; an error if any of them ends first.
    pub(crate) fn await_ready(
        &self,
        awaited: &str,
        limit: Duration,
        mut is_ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            self.check()?;
            if is_ready() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let components = self.0.lock();
                let log = components.iter().find(|component| component.name == awaited);
                let log = log.map(Component::last_lines).unwrap_or_default();
                bail!("{awaited} was not ready after {} s; the end of its log:\n{log}", limit.as_secs());
            }
            thread::sleep(POLL);
        }
    }

    /// An error if one of them has ended.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.lock().iter_mut().try_for_each(Component::check)
    }

    /// Names and process ids, in the order of the starts.
    pub(crate) fn pids(&self) -> Vec<(&'static str, u32)> {
        self.0.lock().iter().map(|component| (component.name, component.pid)).collect()
    }

    /// Ends those of these names: all at once, not one grace period after the other.
    pub(crate) fn stop(&self, names: &[&str]) {
        let mut components = self.0.lock();
        let stopped = components.extract_if(.., |component| names.contains(&component.name));
        end_together(stopped.collect());
    }
}

impl Drop for Components {
    fn drop(&mut self) {
        end_together(std::mem::take(self.0.get_mut()));
    }
}

fn end_together(mut components: Vec<Component>) {
    components.iter_mut().for_each(Component::let_go);
    drop(components);
}

/// Sends a process a signal by name, and says whether it was there. The signal `0` only asks that.
pub fn signal(pid: u32, signal: &str) -> Result<bool> {
    Command::new("sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal, &pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .map(|status| status.success())
        .map_err(cannot("run", "sh"))
}

/// The last `count` lines that say something.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
