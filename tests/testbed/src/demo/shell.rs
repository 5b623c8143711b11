//! Running what a person would type, and reading the files that it leaves.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use testbed::feed;

/// Runs a shell line in a folder and returns what it printed.
pub(super) fn run(line: &str, folder: &Path) -> Result<String> {
    let mut command = Command::new("sh");
    // The servers are on loopback, whatever proxy this machine uses.
    command.args(["-c", line]).current_dir(folder).envs([("NO_PROXY", "*"), ("no_proxy", "*")]);
    output(&mut command, line, "")
}

/// Runs a command with `input` on its standard input and returns what it printed; `name`
/// is how a failure calls it.
pub(super) fn output(command: &mut Command, name: &str, input: &str) -> Result<String> {
    let output = feed(command, input).with_context(|| format!("cannot run `{name}`"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = if said.contains("X-Amz-") { "what it said quotes a URL" } else { said.trim() };
    bail!("`{name}` failed ({}): {said}", output.status)
}
