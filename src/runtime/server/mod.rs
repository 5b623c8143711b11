//! The HTTP server: probes, metrics, and what a controller serves itself.

mod access;
mod connections;
pub mod http;
mod pages;
mod probes;
pub mod reviews;
mod scrapes;
mod tls;
mod turns;

pub use access::Access;
pub use http::{Answers, Site};
pub use pages::Pages;
pub use probes::{Check, Probes};
pub use scrapes::Scrapes;
pub use tls::{Tls, TlsError};
