//! The lease by which one of several processes leads.

mod elector;
mod leadership;
mod lease;

pub use elector::Elector;
pub use leadership::Leadership;
pub use lease::LeaseSettings;
