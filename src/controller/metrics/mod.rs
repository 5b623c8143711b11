//! What the controller counts, and what it counts about the objects at each scrape.

mod counters;
mod object_counts;
mod tally;

pub use counters::Metrics;
pub use object_counts::Inventory;
