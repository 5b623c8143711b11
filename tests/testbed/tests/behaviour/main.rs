//! What callers of the testbed rely on, with the real programs.

// Clippy spares only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod control_plane;
mod owner;
mod saved;
mod surroundings;

use std::time::Duration;

/// The longest that anything is waited for.
const LIMIT: Duration = Duration::from_secs(30);

fn is_running(pid: u32) -> bool {
    testbed::signal(pid, "0").unwrap()
}
