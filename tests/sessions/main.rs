//! Sessions that the operator gets itself: the real operator, a real API server, and a real store with an
//! STS, behind a front that fails on request. One file a subject.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod ambient;
mod assume_role;
mod calls;
mod changes;
mod consent;
mod counts;
mod floods;
#[allow(dead_code, unused_imports, reason = "the other stories use more of it")]
#[path = "../cluster/harness/mod.rs"]
mod harness;
mod issuer;
mod lifetimes;
mod outages;
mod refusals;
mod restarts;
mod session_space;
mod shared;
mod signers;
mod stores;
#[allow(dead_code, reason = "the other stories use more of it")]
#[path = "../cluster/tenancy.rs"]
mod tenancy;
mod web_identity;
