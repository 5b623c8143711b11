//! The operator as a cluster runs it, and pods that use its URLs for longer than any lives.
//!
//! The chart, the image, a node with kubelet and containerd, mounted Secrets, and curl. Not a
//! part of `cargo test`; `make e2e` runs it. It needs root, and fails if a single request of
//! a pod that reads its files did.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod cluster;
mod examples;
mod installation;
mod tally;
mod traffic;

use std::time::Instant;

use cluster::Cluster;

fn main() {
    let started = Instant::now();
    let cluster = Cluster::start();
    println!("e2e: the node is ready after {} s", started.elapsed().as_secs());
    installation::install(&cluster);
    println!("e2e: the operator runs after {} s", started.elapsed().as_secs());
    traffic::start(&cluster);
    println!("e2e: pods use URLs after {} s", started.elapsed().as_secs());
    examples::run_all(&cluster);
    installation::roll(&cluster);
    println!("e2e: the operator was replaced after {} s", started.elapsed().as_secs());
    let has_passed = traffic::end(&cluster);
    drop(cluster);
    println!("e2e: {} after {} s", if has_passed { "passed" } else { "FAILED" }, started.elapsed().as_secs());
    if !has_passed {
        std::process::exit(1);
    }
}
