//! How a command fails: what is printed, and the exit code.

use std::fmt;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub struct Failure {
    error: anyhow::Error,
    exit_code: u8,
}

impl Failure {
    /// A configuration that nothing can be done with: exit code 2, like a wrong use.
    #[must_use]
    pub fn configuration(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), exit_code: 2 }
    }

    /// What the process ends with: 2 for a wrong configuration, otherwise 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { error, exit_code: 1 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}
