//! Programs of the system that do one thing and end.

use std::{
    io::{self, Write as _},
    process::{Command, Output, Stdio},
};

use crate::{Error, Result, component::last_lines};

const SAID_LINES: usize = 5;

/// Debian's package of each program that a node is made of.
const PACKAGES: [(&str, &str); 7] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("buildah", "buildah"),
    ("busybox", "busybox-static"),
    ("curl", "curl"),
    ("ip", "iproute2"),
];

/// Runs it to its end and returns what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|source| missing(&program, source))?;
    if !output.status.success() {
        return Err(failure(&program, &last_lines(&String::from_utf8_lossy(&output.stderr), SAID_LINES)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command to its end with `input` on its standard input.
///
/// # Errors
/// When it cannot be started.
pub fn feed(command: &mut Command, input: &str) -> io::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not listen tells why by its exit status.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
}

/// That a program has failed, with its reason.
pub(crate) fn failure(program: &str, said: &str) -> Error {
    Error::ToolFailed { tool: program.to_owned(), said: said.to_owned() }
}

fn missing(program: &str, source: io::Error) -> Error {
    let package = PACKAGES.iter().find(|(name, _)| *name == program).map(|(_, package)| *package);
    match (source.kind(), package) {
        (io::ErrorKind::NotFound, Some(package)) => Error::ToolMissing { tool: program.to_owned(), package },
        _ => Error::Io { action: "run", path: program.into(), source },
    }
}
