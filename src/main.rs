//! The binary: parses the command line and turns the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser as _;
use presign_operator::cli::{self, Cli, ExitFailure};

fn main() -> ExitCode {
    let outcome = Cli::try_parse().map_err(|error| ExitFailure::usage(&error)).and_then(cli::execute);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
