//! The chart: what it renders, and what a real API server says to it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]
#![allow(clippy::cast_precision_loss, clippy::float_cmp, reason = "metrics are small whole numbers")]

mod accepted;
mod checked;
mod definitions;
mod generated;
mod identities;
mod plain;
mod render;
mod restricted;
mod rights;
mod seen;
mod signer_use;
mod start;
mod values;
mod world;
