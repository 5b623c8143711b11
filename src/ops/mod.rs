//! The process: what any daemon needs, whatever it is for.
//!
//! Here: the wall clock, logs, the metrics registry, the probes and the HTTP server that shows
//! them, the client for the API server with its deadline and its count of calls, and the lease
//! by which one of several processes leads.
//! Not here: anything that knows what a `PresignedUrl` is. This room imports no other.

pub mod api_calls;
mod api_request;
pub mod clock;
mod fence;
pub mod http;
mod leadership;
mod lease;
mod lease_record;
pub mod metrics;
mod most_recent;
pub mod probes;
#[cfg(target_os = "linux")]
mod process;
pub mod telemetry;
mod watches;

pub use api_calls::{ApiCalls, Terms, client};
pub use clock::{Clock, ClockOffset};
pub use fence::NotLeading;
pub use leadership::Leadership;
pub use lease::Elector;
pub use lease_record::LeaseSettings;
pub use metrics::Metrics;
pub use probes::{Check, Probes};
pub use telemetry::LogFormat;
