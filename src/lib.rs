//! Issues S3 presigned URLs into Kubernetes Secrets and renews them before they expire.

pub mod cli;
pub mod controller;
pub mod crd;
#[cfg(target_os = "linux")]
pub mod csi;
pub mod domain;
pub mod plugin;
pub mod runtime;
pub mod s3;
pub mod sts;
pub mod verify;
