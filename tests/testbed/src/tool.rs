//! Programs of the system that do one thing and end.

use std::{
    io::{self, Write as _},
    process::{Command, Output, Stdio},
};

use anyhow::{Result, ensure};

use crate::component::last_lines;

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
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| {
        let why = if error.kind() == io::ErrorKind::NotFound { missing(&program) } else { None };
        anyhow::Error::new(error).context(why.unwrap_or_else(|| format!("cannot run {program}")))
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {}", last_lines(&said, SAID_LINES));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command to its end with `input` on its standard input.
pub fn feed(command: &mut Command, input: &str) -> io::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not listen tells why by its exit status.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
}

fn missing(program: &str) -> Option<String> {
    let (_, package) = PACKAGES.iter().find(|(name, _)| *name == program)?;
    Some(format!("a node needs {program}: install it (Debian's package is {package})"))
}
