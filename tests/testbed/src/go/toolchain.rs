//! Is there a Go that can build this module?

use std::{io, process::Command};

use super::{Recipe, complaint};
use crate::{Error, Result};

/// An error unless a Go of at least version `required` is on the PATH.
///
/// Go itself may download a newer toolchain where it is allowed to; that counts.
pub(super) fn check(recipe: &Recipe, required: &str) -> Result<()> {
    let binary = || recipe.binary.clone();
    let output = Command::new("go")
        .args(["env", "GOVERSION"])
        .current_dir(&recipe.module)
        .env("GOWORK", "off")
        .output()
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::GoMissing { binary: binary(), required: required.to_owned() },
            _ => Error::io("run", "go")(source),
        })?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr);
        return Err(complaint::understand(&recipe.binary, &log));
    }
    let version = String::from_utf8_lossy(&output.stdout);
    let found = version.trim().trim_start_matches("go");
    if numbers(found) < numbers(required) {
        return Err(Error::GoTooOld {
            binary: binary(),
            found: found.to_owned(),
            required: required.to_owned(),
        });
    }
    Ok(())
}

/// `1.26rc1 X:something` → `[1, 26]`.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|part| {
            let end = part.find(|c: char| !c.is_ascii_digit());
            part[..end.unwrap_or(part.len())].parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn compares_versions_as_numbers() {
        assert!(numbers("1.9.7") < numbers("1.26.0"));
        assert!(numbers("1.26.8") > numbers("1.26.0"));
        assert!(numbers("1.27rc1") > numbers("1.26.0"));
        assert!(numbers("1.26.0") == numbers("1.26.0 X:nodwarf5"));
    }
}
