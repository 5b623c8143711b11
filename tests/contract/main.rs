//! The contract against a real API server: what it accepts, refuses and shows, and that
//! the operator says the same about every spec.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use presign_operator::{crd, domain};

mod agreement;
mod definition;
mod examples;
mod fragments;
mod kinds;
mod kubectl_views;
mod mixtures;
mod older;
mod policy;
mod policy_rows;
mod rows;
mod server;
mod session_fragments;
mod signer_credentials;
mod signer_fragments;
mod signer_rows;
mod verdict;
