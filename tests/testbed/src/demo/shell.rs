//! Running what a person would type, and reading the files that it leaves.

use std::{fs, path::Path, process::Command};

use testbed::feed;

use super::failure::{Failure, Result};

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
    let program = command.get_program().to_owned();
    let output = feed(command, input).map_err(Failure::io("run", &program))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let is_secret = said.contains("X-Amz-");
    Err(Failure::Command {
        command: name.to_owned(),
        status: output.status.to_string(),
        said: if is_secret { "what it said quotes a URL".to_owned() } else { said.trim().to_owned() },
    })
}

/// The bytes of a file.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(Failure::io("read", path))
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Failure::io("read", path))
}

/// Writes a file.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(Failure::io("write", path))
}

/// Makes a folder and those above it.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Failure::io("make", path))
}
