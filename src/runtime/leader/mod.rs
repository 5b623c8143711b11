//! Leader election among several processes, by a Lease.

mod elector;
pub(super) mod leadership;
mod lease;
mod rivals;

pub use elector::Elector;
pub use leadership::Leadership;
#[cfg(test)]
pub(in crate::runtime) use leadership::Moment;
pub use lease::LeaseSettings;
pub use rivals::{Party, search_for_rivals};
