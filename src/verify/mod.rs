//! The calls to stores: asks one whether it accepts a URL.
//!
//! Here: which stores may be asked, at which of their addresses, and how much of an answer is read. Not
//! here: what is asked (`s3` signs it), what an answer means (`domain`), and when a store is asked.

mod call;
mod route;

pub use call::{StoreVerifier, VerifyCall, VerifySettings};
pub use route::StoreRoute;
