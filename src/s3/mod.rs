//! The signer: all code that uses the AWS SDK for S3.
//!
//! Here: signing a presigned URL or a form from a valid request, an access key and a validity, with the SDK and
//! without any use of the network. Not here: Kubernetes, clocks, and what a spec means, which `domain`
//! decides before.

mod amend;
mod clients;
pub(crate) mod encode;
mod error;
mod expected;
mod post;
mod presign;

pub use error::PresignError;
pub use presign::UrlSigner;
