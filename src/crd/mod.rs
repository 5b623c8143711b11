//! The contract: everything that a user writes and reads, and every name of identity.
//!
//! Types and schema only. What a value *means* is decided in `domain`; nothing here
//! knows clients, clocks or AWS.
#![allow(clippy::doc_markdown, reason = "the comments on fields are printed by kubectl explain")]

mod connection;
pub mod duration;
#[macro_use]
mod lists;
pub mod names;
mod presigned_url;
mod response;
pub mod rules;
mod schema;
mod status;

pub use connection::{
    AddressingStyle, CredentialsKeys, CredentialsSecretRef, CredentialsSource, S3Connection,
};
pub use presigned_url::{DeletionPolicy, Method, PodRefresh, PresignedUrl, PresignedUrlSpec, SecretTarget};
pub use response::ResponseOverrides;
pub use schema::definitions;
pub use status::{LimitedBy, PresignedUrlStatus, READY, ROTATION_SAFE, STALLED};
