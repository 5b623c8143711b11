//! What callers of the testbed rely on, with the real programs.

// Clippy spares only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod control_plane;
mod owner;
mod saved;
mod surroundings;

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Polls until the condition holds; the test fails when it does not in time.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What a command prints, or how it complains.
fn run(command: &mut Command, arguments: &[&str]) -> Result<String, String> {
    let output = command.args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn is_running(pid: u32) -> bool {
    send("0", pid)
}

fn send(signal: &str, pid: u32) -> bool {
    Command::new("sh")
        .args(["-c", "kill -\"$1\" \"$2\"", "sh", signal, &pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}
