//! The documentation: its pages, links and diagrams, the pages that are made from the code, and the commands
//! in it, which are played on a real API server and a real store.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod blocks;
mod examples;
mod generated;
mod guide_cluster;
mod guides;
mod links;
mod metrics_page;
mod pages;
mod reference;
mod site;
mod workflows;
