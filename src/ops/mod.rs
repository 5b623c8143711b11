//! The process: what any daemon needs, whatever it is for.
//!
//! Here: the wall clock, logs, the metrics registry, the probes and the HTTP server that shows
//! them, and the client for the API server with its deadline and its count of calls.
//! Not here: anything that knows what a `PresignedUrl` is. This room imports no other.

pub mod api_calls;
mod api_request;
pub mod clock;
pub mod http;
pub mod metrics;
pub mod probes;
#[cfg(target_os = "linux")]
mod process;
pub mod telemetry;
mod watches;

pub use api_calls::{ApiCalls, client};
pub use clock::{Clock, ClockOffset};
pub use metrics::Metrics;
pub use probes::{Check, Probes};
pub use telemetry::LogFormat;
