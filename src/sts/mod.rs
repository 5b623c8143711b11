//! The calls to an STS: all code that gets temporary credentials from elsewhere.
//!
//! Here: a session for a token or for credentials, the identity of the operator itself, and the HTTP
//! client for these calls. Not here: where the token comes from, how long a session is kept, and which
//! STS a spec means. Nothing is retried and nothing is cached, apart from open connections.

mod address;
mod advice;
mod ambient;
mod answer;
mod call;
mod failure;
mod http;
mod source;

pub use call::{Session, Sts, StsSettings};
pub use failure::{StsFailure, StsOutage, StsStep};
pub use source::AmbientSource;
