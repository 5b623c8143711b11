//! The binary: parses the command line and turns the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use presign_operator::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::execute(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
