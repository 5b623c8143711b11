//! The calls of an STS, against servers that answer as they should and as they should not: what a failure
//! is called, that nothing of it leaks, and which addresses are reached. And the identity of the operator
//! itself, against a metadata service and a container endpoint.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod addresses;
mod ambient;
mod answers;
mod faults;
mod metadata;
mod scratch;
mod server;
