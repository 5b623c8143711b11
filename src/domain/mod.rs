//! The decisions: pure functions from values to values.
//!
//! Nothing here is `async`, knows a client, reads the environment or a clock, or draws
//! a random number. Whatever can be tested with a pencil belongs here.

pub mod credentials;
pub mod request;
mod sensitive;
mod signed_url;
mod validity;

pub use credentials::Credentials;
pub use request::Request;
pub use sensitive::Sensitive;
pub use signed_url::{SignedUrl, UrlParts};
pub use validity::{CredentialsExpired, Validity};
