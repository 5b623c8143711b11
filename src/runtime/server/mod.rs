//! The HTTP server: probes, metrics, and what a controller serves itself.

mod access;
mod connections;
pub mod http;
mod pages;
mod peer_limits;
mod probes;
pub mod reviews;
mod scrapes;
mod tls;

pub use access::Access;
pub use http::{Answers, Site};
pub use pages::Pages;
pub use probes::{Check, Probes};
pub use scrapes::Scrapes;
pub use tls::{Tls, TlsError};
