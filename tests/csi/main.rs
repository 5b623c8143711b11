//! The CSI driver as a process: it is started, called as the kubelet calls it, and killed.
//!
//! Each test has a mount namespace of its own, so no mount is seen outside of it. That needs root. What the
//! kubelet itself does is in `tests/e2e`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod calls;
mod clock;
mod fair;
mod fuzz;
mod identity;
mod measure;
#[path = "../fuzz/mutation.rs"]
mod mutation;
mod node;
#[path = "../e2e/page.rs"]
mod page;
mod publish;
mod refusals;
mod restarts;
mod sanity;
mod service;
mod signers;
mod stores;
mod tokens;
mod unkept;
mod wire;
