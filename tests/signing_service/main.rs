//! The signing service: what it answers to the tokens of pods, on a real API server, and whether the URLs
//! work at a real store. The pods have nodes but no kubelet, since only their tokens matter. One file a subject.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod bodies;
#[allow(dead_code, unused_imports, reason = "the other stories use more of it")]
#[path = "../cluster/harness/mod.rs"]
mod harness;
mod identity;
mod policy;
mod sessions;
mod signs;
mod stage;
#[allow(dead_code, reason = "the other stories use more of it")]
#[path = "../cluster/tenancy.rs"]
mod tenancy;
