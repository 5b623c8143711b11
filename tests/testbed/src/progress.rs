//! What a person waiting at the terminal is told.

use std::{
    fmt,
    io::{self, Write},
};

/// Writes one line to standard error.
///
/// Not `eprintln!`: the test harness captures that, and a first build that takes
/// eight silent minutes looks like a hang.
pub(crate) fn say(line: impl fmt::Display) {
    // A closed standard error is no reason to stop.
    let _ = writeln!(io::stderr(), "testbed: {line}");
}
