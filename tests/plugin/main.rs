//! The plugin as people use it: `kubectl presign` in a real terminal (tmux), against a real API server with a
//! real operator and a real store. One file a subject.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod cluster;
mod commands;
mod forms;
mod generated;
#[allow(dead_code, unused_imports, reason = "the other stories use more of it")]
#[path = "../cluster/harness/mod.rs"]
mod harness;
mod krew;
mod offline;
mod proxies;
mod terminal;
