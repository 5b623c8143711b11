//! The HTTP server that shows probes and metrics.

pub mod http;
mod probes;

pub use probes::{Check, Probes};
