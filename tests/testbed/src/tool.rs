//! Programs of the system that do one thing and end.

use std::{
    io::{self, Write as _},
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, ensure};

use crate::component::last_lines;

const SAID_LINES: usize = 5;

/// Runs it to its end and returns what it printed.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| {
        format!("cannot run {program}: `make node` installs the programs that a node needs")
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {}", last_lines(&said, SAID_LINES));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command to its end: what it prints, or how it complains.
///
/// # Panics
/// When it cannot be run.
pub fn output(command: &mut Command) -> Result<String, String> {
    output_of(command, "")
}

/// The same with something on its standard input.
///
/// # Panics
/// When it cannot be run.
pub fn output_of(command: &mut Command, input: &str) -> Result<String, String> {
    let output = feed(command, input).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
}

/// curl, which says only what is answered or why there is no answer. It uses no proxy and gives up after 20 s,
/// if no later argument says otherwise.
pub fn curl_command() -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--globoff", "--noproxy", "*", "--max-time", "20"]);
    curl
}

/// Runs curl as users do, so that a status which is none of success is an error.
///
/// # Panics
/// When there is no curl.
pub fn curl(arguments: &[&str]) -> Result<String, String> {
    output(curl_command().arg("--fail").args(arguments))
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
