//! What is kept in memory, packed: objects, issued Secrets, credentials, who depends on what, and
//! what happened. Typed faces of the versioned cache; no IO but the read of credentials.

pub mod answer;
pub mod credentials;
pub mod dependents;
pub mod histories;
pub mod issued_secrets;
pub mod lean;
pub mod objects;
pub mod obstacles;
mod packed_secret;
mod packed_spec;
mod packed_status;
pub mod scopes;
