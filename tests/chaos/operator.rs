//! The operator as a child process: this binary itself, so that it can be asked what it holds
//! in memory.
//!
//! `chaos operator FLAGS` is `presign-operator run FLAGS`, and answers every connection to the
//! socket that `CHAOS_MEMORY` names with a snapshot as JSON.

use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::process::ExitCode;

use clap::Parser;
use presign_operator::cli::{RunArgs, run_observed};
use presign_operator::controller::Memory;

/// The first argument of a child.
pub const CHILD: &str = "operator";
/// The variable with the path of the socket.
pub const SOCKET: &str = "CHAOS_MEMORY";

#[derive(Parser)]
struct Child {
    #[command(flatten)]
    run: RunArgs,
}

/// Runs the operator.
pub fn run() -> ExitCode {
    let child = Child::parse_from(std::env::args().skip(1));
    match run_observed(child.run, answer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is a program of its own")]
fn answer(memory: Memory) {
    let listener = UnixListener::bind(std::env::var(SOCKET).unwrap()).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let snapshot = serde_json::to_vec(&memory.snapshot()).unwrap();
            // Who asked may have given up.
            let _ = stream.and_then(|mut stream| stream.write_all(&snapshot));
        }
    });
}
