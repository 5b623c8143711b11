//! The failure of a command: the printed error and the exit code.

use std::fmt;

use clap::error::ErrorKind;

/// Why a command failed.
#[derive(Debug)]
pub struct ExitFailure {
    error: anyhow::Error,
    exit_code: u8,
}

impl ExitFailure {
    /// A configuration that is not valid. The exit code is 2, as for a wrong command line.
    #[must_use]
    pub fn configuration(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), exit_code: 2 }
    }

    /// A command line that is not valid. If it asks for help, this prints the help and ends the process.
    /// An error is one line, for the log of a pod; only `--help` prints the usage.
    #[must_use]
    pub fn usage(error: &clap::Error) -> Self {
        if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            error.exit();
        }
        Self::configuration(anyhow::anyhow!("{}", one_line(&error.to_string())))
    }

    /// The exit code of the process: 2 for an invalid configuration, otherwise 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

/// The error message of clap as one line, without the advice after it.
fn one_line(text: &str) -> String {
    let said = text.strip_prefix("error: ").unwrap_or(text);
    let lines = said.lines().map(str::trim);
    let said: Vec<&str> = lines
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    said.join(" ")
}

impl From<anyhow::Error> for ExitFailure {
    fn from(error: anyhow::Error) -> Self {
        Self { error, exit_code: 1 }
    }
}

impl fmt::Display for ExitFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn a_wrong_use_is_one_line_and_exit_code_2() {
        for (arguments, expected) in [
            (&["run", "--lease-duration", "0"][..], "'0' for '--lease-duration"),
            (&["run", "--lease-duration", "601"], "from 2 to 600 seconds"),
            (&["run", "--lease-duration", "x"], "write a number of seconds, from 2 to 600"),
            (&["run", "--lease-duration", "15s"], "write the number of seconds alone: 15"),
            (&["run", "--request-timeout", "1m"], "write the number of seconds alone: 60"),
            (&["run", "--leader-elect", "maybe"], "[possible values: true, false]"),
            (&["run", "--secret-access", "all"], "[possible values: watch, get]"),
            (&["run", "--listen", "8080"], "'8080' for '--listen"),
            (&["run", "--listen", "8080"], ": write 0.0.0.0:8080"),
            (&["run", "--metrics-listen", ":8443"], ": write 0.0.0.0:8443"),
            (&["run", "--listen", "localhost:80"], "127.0.0.1:80"),
            (&["run", "--listen", "0.0.0.0"], "write 0.0.0.0:8080"),
            (&["run", "--metrics-tls-cert", "f", "--metrics-listen", "[::]:1"], "--metrics-tls-key"),
            (&["run", "--metrics-auth"], "--metrics-tls-cert"),
            (&["run", "--no-such"], "--no-such"),
            (&["sign"], "--file"),
        ] {
            let error = Cli::try_parse_from(["presign-operator"].iter().chain(arguments)).unwrap_err();
            let failure = ExitFailure::usage(&error);
            let text = failure.to_string();
            assert_eq!(failure.exit_code(), 2);
            assert!(text.contains(expected) && !text.contains('\n'), "{arguments:?}: {text}");
            assert!(!text.starts_with("error:") && !text.contains("Usage"), "{text}");
        }
    }
}
