//! Why the demo ended early, one sentence each.

use std::{io, path::PathBuf};

/// The result of every step.
pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a step failed. Never holds a URL's query.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The testbed itself.
    #[error(transparent)]
    Testbed(#[from] testbed::Error),
    /// There is nothing to show.
    #[error("no operator at {}: build it with `cargo build`, or name it with --operator", .0.display())]
    NoOperator(PathBuf),
    /// A program said no.
    #[error("`{command}` failed ({status}): {said}")]
    Command {
        /// What was run.
        command: String,
        /// How it ended.
        status: String,
        /// What it wrote on standard error.
        said: String,
    },
    /// An example does not hold what has to be replaced in it.
    #[error("{} holds no {placeholder:?} to replace", path.display())]
    Placeholder {
        /// The example.
        path: PathBuf,
        /// What was looked for.
        placeholder: String,
    },
    /// Nothing happened in time.
    #[error("not within {seconds} s: {awaited}")]
    Late {
        /// What was waited for.
        awaited: &'static str,
        /// For how long.
        seconds: u64,
    },
    /// The operator broke its promise.
    #[error("{0}")]
    Broken(&'static str),
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

impl Failure {
    /// What was promised and did not happen.
    pub(super) fn broken(what: &'static str) -> Self {
        Self::Broken(what)
    }

    /// For `map_err`: adds to an [`io::Error`] what was tried on which path.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
