//! Events about objects, rate limited and written behind everything else.

mod rate_limit;
mod recorder;

pub use recorder::{Events, Told, publish};
