//! The signer: everything that knows AWS.
//!
//! Here: from a checked request, an access key and a validity to a presigned URL, through
//! the SDK, without ever touching the network. Not here: Kubernetes, clocks, and what a
//! spec means (`domain` has decided that before).

mod amend;
mod clients;
mod encode;
mod error;
mod expected;
mod presign;

pub use error::PresignError;
pub use presign::Signer;
