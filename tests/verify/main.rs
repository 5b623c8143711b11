//! The questions to stores: which addresses are reached, that an answer costs little whatever it is, and what
//! real stores answer.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod answers;
#[allow(dead_code, unused_imports, reason = "the other stories use more of it")]
#[path = "../cluster/harness/mod.rs"]
mod harness;
mod isolated;
mod lost;
mod names;
mod scratch;
#[allow(dead_code, reason = "the tests of the STS use more of it")]
#[path = "../sts/server.rs"]
mod server;
mod signed;
mod stores;
mod stories;
#[allow(dead_code, unused_imports, reason = "the stories of signers use more of it")]
#[path = "../cluster/tenancy.rs"]
mod tenancy;
