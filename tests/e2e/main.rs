//! The operator as a cluster runs it, and pods that use its URLs for longer than any lives.
//!
//! The chart, the image, a node with kubelet and containerd, mounted Secrets, and curl. It needs
//! root, and fails if a single request of a pod that reads its files did, or if a URL that was
//! withdrawn stays in a pod. `make e2e` runs it. `make e2e-short` runs it with URLs that live one
//! minute, fewer pods and without the examples, and `make e2e-csi` only the pods with CSI volumes: with a
//! driver that mounts them, and with one that has no privileges (`--unprivileged`). `make csi-faults` kills and
//! fills what CSI volumes depend on (`--csi-faults`), and `make bench-csi` times the start of pods
//! (`--csi-bench`).
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

mod cluster;
mod csi;
mod examples;
mod installation;
mod page;
mod totals;
mod traffic;
mod withdrawal;

use std::time::Instant;

use cluster::Cluster;
use traffic::Scale;

fn main() {
    let started = Instant::now();
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    let alone: [(&str, fn(&Cluster) -> bool); 3] =
        [("--csi", csi::run_alone), ("--csi-faults", csi::run_all), ("--csi-bench", csi::measure)];
    let alone = alone.into_iter().find_map(|(flag, run)| has(flag).then_some(run));
    let is_short = has("--short") || (alone.is_some() && !has("--csi-bench"));
    let scale = if is_short { Scale::Short } else { Scale::Whole };
    let cluster = Cluster::start();
    println!("e2e: the node is ready after {} s", started.elapsed().as_secs());
    installation::install(&cluster, is_short, has("--unprivileged"));
    csi::route(&cluster);
    println!("e2e: the operator runs after {} s", started.elapsed().as_secs());
    if let Some(run) = alone {
        end(cluster, started, run);
        return;
    }
    traffic::start(&cluster, scale);
    println!("e2e: pods use URLs after {} s", started.elapsed().as_secs());
    let since = csi::start(&cluster);
    println!("e2e: pods use CSI volumes after {} s", started.elapsed().as_secs());
    withdrawal::start(&cluster);
    println!("e2e: a URL is withdrawn after {} s", started.elapsed().as_secs());
    if !is_short {
        examples::run_all(&cluster);
    }
    installation::roll(&cluster);
    csi::route(&cluster);
    println!("e2e: the operator was replaced after {} s", started.elapsed().as_secs());
    end(cluster, started, |cluster| {
        let is_withdrawn = withdrawal::end(cluster);
        let is_kept = traffic::end(cluster, scale);
        // Not before: without the kubelet, Secrets would reach their pods later.
        csi::run_short(cluster);
        csi::end(cluster, since) && is_kept && is_withdrawn
    });
}

/// Says whether all is well, and ends the process if not.
fn end(cluster: Cluster, started: Instant, is_well: impl FnOnce(&Cluster) -> bool) {
    let has_passed = is_well(&cluster);
    drop(cluster);
    println!("e2e: {} after {} s", if has_passed { "passed" } else { "FAILED" }, started.elapsed().as_secs());
    if !has_passed {
        std::process::exit(1);
    }
}
