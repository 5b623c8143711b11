//! What is kept in memory, packed: objects, issued Secrets, credentials, and who depends on what.

pub mod attempts;
pub mod credentials;
pub mod dependents;
pub mod issued_secrets;
pub mod lean;
pub mod objects;
mod packed_secret;
mod packed_status;
