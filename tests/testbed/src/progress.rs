//! What a person waiting at the terminal is told. Nothing here decides anything.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// Writes one line to standard error.
///
/// Not `eprintln!`: the test harness captures that, and a first build that takes
/// eight silent minutes looks like a hang.
pub(crate) fn say(line: impl fmt::Display) {
    // A closed standard error is no reason to stop.
    let _ = writeln!(io::stderr(), "testbed: {line}");
}

/// The elapsed time of one long step: each second in place on a terminal, a line
/// every 15 s elsewhere.
pub(crate) struct Progress {
    what: String,
    started: Instant,
    next: Duration,
    on_terminal: bool,
}

impl Progress {
    /// Starts the clock and says so.
    pub(crate) fn start(what: String) -> Self {
        say(&what);
        let on_terminal = io::stderr().is_terminal();
        let mut progress = Self { what, started: Instant::now(), next: Duration::ZERO, on_terminal };
        progress.next = progress.interval();
        progress
    }

    /// To be called often; says something only when it is time to.
    pub(crate) fn tick(&mut self) {
        let elapsed = self.started.elapsed();
        if elapsed < self.next {
            return;
        }
        self.next = elapsed + self.interval();
        if self.on_terminal {
            let _ = write!(io::stderr(), "\rtestbed: {} {} s", self.what, elapsed.as_secs());
        } else {
            say(format_args!("{} {} s", self.what, elapsed.as_secs()));
        }
    }

    /// Says how long it took.
    pub(crate) fn finish(self, outcome: &str) {
        if self.on_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        say(format_args!("{outcome} after {} s", self.started.elapsed().as_secs()));
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(if self.on_terminal { 1 } else { 15 })
    }
}
