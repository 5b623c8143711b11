//! The decisions of the operator, as pure functions from values to values.
//!
//! No function here is `async`, uses a client, reads the environment or a clock, or draws a random
//! number. Code that needs none of these belongs here.

pub mod advice;
pub mod backoff;
pub mod certificate;
pub mod credentials;
pub mod decision;
pub mod ended;
mod fields;
pub mod finish;
pub mod history;
pub mod limits;
#[cfg(test)]
#[path = "../../tests/decisions/model.rs"]
mod model;
mod owner;
pub mod plan;
pub mod pods;
pub mod policy;
pub mod post_policy;
pub mod reason;
mod removal;
pub mod request;
pub mod resolve;
pub mod secret;
mod sensitive;
pub mod session;
pub mod session_policy;
pub mod signed_form;
mod signed_url;
pub mod signer;
pub mod signer_status;
pub mod status;
pub mod stored;
mod validity;
pub mod verification;
pub mod volume;

pub use credentials::Credentials;
pub use limits::Limits;
pub use owner::{Owner, Ownership};
pub use removal::Removal;
pub use request::Request;
pub use secret::{IssuedSecret, render};
pub use sensitive::Sensitive;
pub use signed_form::SignedForm;
pub use signed_url::{SignedUrl, UrlParts};
pub use stored::Stored;
pub use validity::{CredentialsExpired, Validity};
