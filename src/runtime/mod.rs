//! What any controller needs, independent of what it controls.
//!
//! Here: the wall clock, logging, the metrics registry, keys of objects, the versioned cache, the
//! schedule, watches, the HTTP server for probes and metrics, the client for the API server, and leader
//! election.
//! Not here: anything that knows what a `PresignedUrl` is. This module imports no other module.

pub mod cache;
pub mod client;
pub mod clock;
mod hardening;
pub mod key;
pub mod leader;
pub mod lock;
pub mod logging;
pub mod metrics;
#[cfg(target_os = "linux")]
mod process;
pub mod schedule;
pub mod server;
mod tasks;
pub mod watch;

pub use client::{ApiCalls, ClientSettings, NotLeading, Overload, Overloaded, Skew, client, client_over};
pub use clock::{Clock, ClockOffset};
pub use hardening::harden;
pub use key::Key;
pub use leader::{Elector, Leadership, LeaseSettings, Party, search_for_rivals};
pub use logging::LogFormat;
pub use metrics::MetricsRegistry;
pub use server::{Access, Answers, Check, Pages, Probes, Scrapes, Site, Tls, http, reviews};
pub use tasks::Tasks;
