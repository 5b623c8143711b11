//! Issues S3 presigned URLs into Kubernetes Secrets and renews them before they expire.

pub mod crd;
pub mod domain;
pub mod ops;
