//! The kernel settings of the process, made before it holds a secret: no core dumps, and enough file
//! descriptors.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Prevents core dumps of this process, and raises its limit of open files to the hard limit.
///
/// # Guarantees
/// - The kernel writes no core file and pipes none to a program. A program (`core_pattern` with a pipe)
///   ignores the core limit, so the process is also made not dumpable. As a consequence, other processes
///   of the same user cannot attach to it or read its memory.
/// - Each setting is tried, even if another one fails.
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
