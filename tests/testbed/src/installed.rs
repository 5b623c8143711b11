//! Programs on the `PATH`, used only if they have the minor version that the testbed pins.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The first program of this name on the `PATH`, if it has the same minor version as `pinned`.
pub(crate) fn find(name: &str, pinned: &str) -> Option<PathBuf> {
    let path = env::split_paths(&env::var_os("PATH")?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())?;
    let found = minor(&printed_version(&path)?)?;
    (Some(found) == minor(pinned)).then_some(path)
}

/// What the program prints about its version.
fn printed_version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Major and minor of the first version in a text: `etcd Version: 3.6.16`, `Kubernetes v1.37.2`.
fn minor(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut numbers = word.trim_start_matches('v').split('.');
        let pair = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        // At least three parts: not every number with a point is a version.
        numbers.next().map(|_| pair)
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::{minor, printed_version};

    #[test]
    fn reads_what_programs_print() {
        assert_eq!(minor("etcd Version: 3.6.16\nGit SHA: abc\nGo Version: go1.26.0"), Some((3, 6)));
        assert_eq!(minor("Kubernetes v1.37.2"), Some((1, 37)));
        assert_eq!(minor("v1.37.2-rc.1+build"), Some((1, 37)));
        assert_eq!(minor("1.5 seconds"), None);
        assert_eq!(minor(""), None);
    }

    #[test]
    fn a_program_that_fails_has_no_version() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("etcd");
        for (script, expected) in [("echo v3.6.1", Some("v3.6.1\n")), ("echo v3.6.1; exit 1", None)] {
            fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            assert_eq!(printed_version(&program).as_deref(), expected, "{script}");
        }
    }
}
