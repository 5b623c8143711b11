//! What can go wrong, one sentence each.

use std::{io, path::PathBuf};

/// The result of everything in the testbed that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the testbed could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no `go` to build with.
    #[error(
        "{binary} has to be built, but no `go` is on the PATH: install Go {required} or newer, or set KUBEBUILDER_ASSETS to a folder that holds {binary}"
    )]
    GoMissing {
        /// What was to be built.
        binary: String,
        /// The oldest Go that will do.
        required: String,
    },
    /// There is a `go`, but it cannot build this module.
    #[error("Go {found} is too old to build {binary}: install Go {required} or newer")]
    GoTooOld {
        /// What was to be built.
        binary: String,
        /// The version on the PATH.
        found: String,
        /// The oldest Go that will do.
        required: String,
    },
    /// Go could not download a module or its own toolchain.
    #[error("the Go module proxy could not be reached while building {binary}; Go says: {detail}")]
    DownloadRefused {
        /// What was to be built.
        binary: String,
        /// The last line that Go wrote.
        detail: String,
    },
    /// A build ran out of disk space.
    #[error(
        "no space left on the disk while building {binary} (a first build of everything needs about 6 GB); Go says: {detail}"
    )]
    DiskFull {
        /// What was to be built.
        binary: String,
        /// The line in which Go says so.
        detail: String,
    },
    /// Go refused for a reason of its own.
    #[error("{binary} could not be built; Go says: {detail}")]
    BuildFailed {
        /// What was to be built.
        binary: String,
        /// The last lines that Go wrote.
        detail: String,
    },
    /// There is nowhere to keep the binaries.
    #[error("no folder for the built binaries: set PRESIGN_TESTBED_CACHE, XDG_CACHE_HOME or HOME")]
    NoCacheFolder,
    /// Somebody else listens where a component was told to.
    #[error("{component} cannot listen on 127.0.0.1:{port}: the port is already taken")]
    PortTaken {
        /// The component that wanted the port.
        component: &'static str,
        /// The port.
        port: u16,
    },
    /// A component ended although nobody asked it to.
    #[error("{component} ended early ({status}); the end of its log:\n{log}")]
    EndedEarly {
        /// The component.
        component: &'static str,
        /// How it ended.
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// A component runs but does not answer.
    #[error("{component} was not ready after {seconds} s; the end of its log:\n{log}")]
    NotReady {
        /// The component.
        component: &'static str,
        /// How long it was waited for.
        seconds: u64,
        /// The last lines of its log.
        log: String,
    },
    /// A program of the system is not installed.
    #[error("a node needs {tool}: install it (Debian's package is {package})")]
    ToolMissing {
        /// The program.
        tool: String,
        /// What brings it.
        package: &'static str,
    },
    /// A program of the system did not do what it was asked to.
    #[error("{tool} failed: {said}")]
    ToolFailed {
        /// The program.
        tool: String,
        /// The end of what it wrote to standard error.
        said: String,
    },
    /// A bucket or key that the S3 server would not find as a file.
    #[error("{name:?} cannot be arranged as a file: {reason}")]
    BadName {
        /// The bucket or key.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// Its object.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: adds to an [`io::Error`] what was tried on which path.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
