//! The metrics of the controller: counters, and counts of the objects made at each scrape.

mod counters;
mod object_counts;
mod session_ends;
mod signer_counts;
mod totals;

pub use counters::Metrics;
pub use object_counts::Inventory;
pub use session_ends::SessionEnds;
pub use signer_counts::SignerInventory;
