//! The contract: everything that a user writes and reads, and every name of identity.
//!
//! Types and schema only. What a value *means* is decided in `domain`; nothing here
//! knows clients, clocks or AWS.
#![allow(clippy::doc_markdown, reason = "the comments on fields are printed by kubectl explain")]

mod connection;
mod credentials_source;
pub mod duration;
mod form;
#[macro_use]
mod cel;
#[macro_use]
mod lists;
pub mod names;
mod presigned_url;
mod response;
#[macro_use]
pub mod rules;
pub mod credentials_rules;
pub mod form_rules;
mod schema;
mod secret_ref;
mod secret_target;
mod signer;
mod signer_policy;
mod signer_ref;
pub mod signer_rules;
mod status;
mod unknown;
mod verification;

pub use connection::{AddressingStyle, AwsOptions, S3Connection, UnsignedHeaders};
pub use credentials_source::{
    AmbientCredentials, AssumedRole, CredentialsSource, NarrowTo, ServiceAccountFrom, ServiceAccountRef,
    SessionOptions, StsOptions, WebIdentity,
};
pub use form::UploadForm;
pub use presigned_url::{Method, PodRefresh, PresignedUrl, PresignedUrlSpec, RenewPolicy};
pub use response::ResponseOverrides;
pub use schema::definitions;
pub use secret_ref::{CredentialsKeys, CredentialsSecretRef};
pub use secret_target::{DeletionPolicy, SecretTarget};
pub use signer::{
    AllowedNamespaces, ClusterSigner, ClusterSignerSpec, NamespacesFrom, Signer, SignerSpec, SignerStatus,
};
pub use signer_policy::{Enforcement, RequiredHeader, SignerPolicy, SignerRule, WhenDenied};
pub use signer_ref::{SignerKind, SignerRef};
pub use status::{
    LimitedBy, PERMITTED, PresignedUrlStatus, READY, ROTATION_SAFE, STALLED, VERIFIED, condition,
};
pub use unknown::first_unknown;
pub use verification::{Verified, Verify, VerifyResult};
