//! The state that the controller keeps in memory, packed: objects, issued Secrets, obstacles,
//! credentials, dependents, signers and histories. Typed wrappers of the versioned cache. The only IO is
//! the read of credentials.

pub mod answer;
pub mod credentials;
pub mod dependents;
pub mod histories;
pub mod issued_secrets;
pub mod lean;
pub mod lean_signer;
pub mod namespace_labels;
pub mod objects;
pub mod obstacles;
mod packed_secret;
mod packed_spec;
mod packed_status;
pub mod scopes;
pub mod signer_users;
pub mod signers;
