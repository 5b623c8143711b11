//! The operator as a cluster runs it, and pods that use its URLs for longer than any lives.
//!
//! The chart, the image, a node with kubelet and containerd, mounted Secrets, and curl. It needs
//! root, and fails if a single request of a pod that reads its files did, or if a URL that was
//! withdrawn stays in a pod. `make e2e` runs it. `make e2e-short` runs it with URLs that live one
//! minute, fewer pods and without the examples.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod cluster;
mod csi;
mod examples;
mod installation;
mod totals;
mod traffic;
mod withdrawal;

use std::time::Instant;

use cluster::Cluster;
use traffic::Scale;

fn main() {
    let started = Instant::now();
    let is_short = std::env::args().any(|argument| argument == "--short");
    let scale = if is_short { Scale::Short } else { Scale::Whole };
    let cluster = Cluster::start();
    println!("e2e: the node is ready after {} s", started.elapsed().as_secs());
    installation::install(&cluster, is_short);
    println!("e2e: the operator runs after {} s", started.elapsed().as_secs());
    traffic::start(&cluster, scale);
    println!("e2e: pods use URLs after {} s", started.elapsed().as_secs());
    csi::start(&cluster);
    println!("e2e: pods use CSI volumes after {} s", started.elapsed().as_secs());
    withdrawal::start(&cluster);
    println!("e2e: a URL is withdrawn after {} s", started.elapsed().as_secs());
    if !is_short {
        examples::run_all(&cluster);
    }
    installation::roll(&cluster);
    csi::roll(&cluster);
    println!("e2e: the operator was replaced after {} s", started.elapsed().as_secs());
    let is_withdrawn = withdrawal::end(&cluster);
    let has_passed = traffic::end(&cluster, scale) && is_withdrawn;
    let has_passed = csi::end(&cluster) && has_passed;
    drop(cluster);
    println!("e2e: {} after {} s", if has_passed { "passed" } else { "FAILED" }, started.elapsed().as_secs());
    if !has_passed {
        std::process::exit(1);
    }
}
