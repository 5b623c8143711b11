//! The HTTP server for probes and metrics.

mod access;
mod connections;
pub mod http;
mod pages;
mod probes;
mod scrapes;
mod tls;
mod turns;

pub use access::Access;
pub use http::Site;
pub use pages::Pages;
pub use probes::{Check, Probes};
pub use scrapes::Scrapes;
pub use tls::{Tls, TlsError};
