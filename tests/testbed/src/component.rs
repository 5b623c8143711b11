//! One child process that ends with its owner.
//!
//! What to run is decided elsewhere; here it is started, watched and ended.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{Error, Result, home::Home, ports};

const LOG_LINES: usize = 15;
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

/// A child process under a guard (`guard.sh`), which ends it when we end.
pub(crate) struct Guarded {
    guard: Child,
    lifeline: Option<ChildStdin>,
    pid_file: PathBuf,
}

impl Guarded {
    /// Starts the program; its output goes to `log`, and `held` stays open as long
    /// as its guard lives.
    pub(crate) fn start(
        launch: &Launch,
        folder: &Path,
        pid_file: PathBuf,
        log: File,
        held: Stdio,
    ) -> Result<Self> {
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
            .stderr(log)
            .spawn()
            .map_err(Error::io("run", "sh"))?;
        let lifeline = guard.stdin.take();
        Ok(Self { guard, lifeline, pid_file })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.guard.try_wait().map_err(Error::io("wait for", "sh"))
    }

    /// Lets go of it, so that the guard ends it; does not wait.
    fn let_go(&mut self) {
        self.lifeline = None;
    }

    /// The process id of the program, which its guard writes down first of all.
    fn pid(&mut self) -> Result<u32> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let written = fs::read_to_string(&self.pid_file).unwrap_or_default();
            if let Some(pid) = written.strip_suffix('\n').and_then(|pid| pid.parse().ok()) {
                return Ok(pid);
            }
            if self.ended()?.is_some() || Instant::now() > deadline {
                let missing = std::io::ErrorKind::NotFound.into();
                return Err(Error::io("read the process id in", &self.pid_file)(missing));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.let_go();
        let _ = self.guard.wait();
    }
}

/// A long-running part of a testbed.
pub(crate) struct Component {
    name: &'static str,
    pid: u32,
    log: PathBuf,
    guarded: Guarded,
}

impl Component {
    /// Starts it with its log in the home's folder, which stays until it has ended.
    pub(crate) fn start(launch: &Launch, home: &Home) -> Result<Self> {
        let name = launch.name;
        let log = home.folder().join(format!("{name}.log"));
        let pid_file = home.folder().join(format!("{name}.pid"));
        let _ = fs::remove_file(&pid_file);
        let output =
            OpenOptions::new().create(true).append(true).open(&log).map_err(Error::io("write", &log))?;
        let mut guarded = Guarded::start(launch, home.folder(), pid_file, output, home.hold()?)?;
        let pid = guarded.pid()?;
        Ok(Self { name, pid, log, guarded })
    }

    /// How it was named at its start.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Its process id (not that of its guard).
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// An error if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(status) = self.guarded.ended()? else {
            return Ok(());
        };
        let log = self.last_lines();
        let component = self.name;
        Err(match ports::taken(&log) {
            Some(port) => Error::PortTaken { component, port },
            None => Error::EndedEarly { component, status: status.to_string(), log },
        })
    }

    /// Asks it to end without waiting; dropping it waits.
    pub(crate) fn let_go(&mut self) {
        self.guarded.let_go();
    }

    /// Ends it and waits for that; how it ended.
    pub(crate) fn end(&mut self) -> Result<ExitStatus> {
        self.guarded.let_go();
        self.guarded.guard.wait().map_err(Error::io("wait for", "sh"))
    }

    /// The end of its log.
    pub(crate) fn last_lines(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&log), LOG_LINES)
    }
}

/// Sends a process a signal by name, and says whether it was there.
pub(crate) fn signal(pid: u32, signal: &str) -> Result<bool> {
    Command::new("sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal, &pid.to_string()])
        .status()
        .map(|status| status.success())
        .map_err(Error::io("run", "sh"))
}

/// Polls `is_ready` until it holds; an error if any of the components ends first.
pub(crate) fn await_ready(
    components: &mut [Component],
    awaited: &'static str,
    limit: Duration,
    mut is_ready: impl FnMut() -> bool,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        components.iter_mut().try_for_each(Component::check)?;
        if is_ready() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let log = components
                .iter()
                .find(|component| component.name == awaited)
                .map(Component::last_lines)
                .unwrap_or_default();
            return Err(Error::NotReady { component: awaited, seconds: limit.as_secs(), log });
        }
        thread::sleep(POLL);
    }
}

/// The last `count` lines that say something.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
