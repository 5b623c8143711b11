//! What the process asks of the kernel before it holds a secret: no core dump, and enough file
//! descriptors.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Keeps the memory of this process from being written to a disk, and raises the number of files
/// that may be open to the most that is allowed.
///
/// # Guarantees
/// - The kernel writes no core file, and hands none to a program either: such a program
///   (`core_pattern` with a pipe) does not look at the limit, so the process is no longer
///   dumpable. For that reason others of the same user cannot attach to it, nor read its memory.
/// - Each part is tried, whatever the others do.
pub fn harden() -> io::Result<()> {
    let dumps = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let files = getrlimit(Resource::Nofile);
    let files = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files });
    undumpable().and(dumps).and(files).map_err(io::Error::from)
}

#[cfg(target_os = "linux")]
fn undumpable() -> rustix::io::Result<()> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
}

#[cfg(not(target_os = "linux"))]
fn undumpable() -> rustix::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_not_dumped_and_files_are_as_many_as_allowed() {
        use rustix::process::{DumpableBehavior, dumpable_behavior};
        harden().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let files = getrlimit(Resource::Nofile);
        assert_eq!(files.current, files.maximum);
        harden().unwrap();
    }
}
