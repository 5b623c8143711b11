//! Signing, proven: against a verifier written from the specification, against real
//! stores, and against whatever anybody may write into a spec or a Secret.
//!
//! Long runs: `PROPTEST_CASES=100000 cargo test --release --test signing` (`make fuzz`).
//! What boto3 makes of the same input is in `tests/vectors.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accepted;
mod browser;
mod browser_forms;
mod facts;
mod faults;
mod forms;
#[cfg(target_os = "linux")]
mod offline;
mod providers;
mod refused;
mod scratch;
mod secret_faults;
mod sessions;
mod sigv4;
mod specs;
mod stores;
mod texts;
mod web_page;
