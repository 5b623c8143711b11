//! What callers of the testbed rely on, with the real programs.

// Clippy spares only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod control_plane;
mod owner;
mod saved;
mod surroundings;

use std::{
    process::{Command, Stdio},
    time::Duration,
};

/// The longest that anything is waited for.
const LIMIT: Duration = Duration::from_secs(30);

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
