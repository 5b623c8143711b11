//! The binary: parses the command line and turns the outcome into an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use presign_operator::cli::{self, Cli, ExitFailure};
use presign_operator::plugin;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(arguments) = plugin::arguments(&arguments) {
        return plugin::main(arguments);
    }
    let outcome = Cli::try_parse().map_err(|error| ExitFailure::usage(&error)).and_then(cli::execute);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
