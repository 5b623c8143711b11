//! Stories against a real kube-apiserver and a real S3 server: the real operator binary,
//! its resulting objects, and whether the URL downloads. One file a subject.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod attacks;
mod clocks;
mod crashes;
mod crowds;
mod faults;
mod forgotten;
mod forms;
mod ha;
mod harness;

mod limits;
mod memory;
mod minimal;
mod model;
mod ownership;
mod pods;
mod problems;
mod quiet;
mod restarts;
mod rivals;
mod signers;
mod stories;
mod tenancy;
