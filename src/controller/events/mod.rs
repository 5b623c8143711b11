//! Kubernetes events about objects. They are rate limited, and written with low priority.

mod rate_limit;
mod recorder;

pub use recorder::{Dropped, Events, publish};
