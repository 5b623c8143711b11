//! libFuzzer on [`bodies::object`]; `make fuzz` runs it where nightly and cargo-fuzz are.

#![no_main]

#[allow(dead_code, reason = "the others have binaries of their own")]
#[path = "../bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::object(input));
