//! How a fleet of `PresignedUrl`s is carried: throughput beside a plain client's, memory,
//! starts, idling, rotations, latency. `make bench` writes the result into
//! `docs/performance.md`.
//!
//! Everything runs against a real kube-apiserver and etcd on the same machine, so the
//! ratios within one run count, not the absolute figures. `BENCH_OBJECTS` is the largest
//! fleet (10,000), `BENCH_IDLE_SECONDS` how long it is left alone (60).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a program for developers")]
#![expect(clippy::print_stdout, reason = "a program for developers")]
#![expect(clippy::cast_precision_loss, reason = "counts are small")]

mod bench_fleet;

use bench_fleet::{output, stages};

fn main() {
    let write = std::env::args().any(|argument| argument == "--write");
    let largest = number("BENCH_OBJECTS", 10_000);
    let idle = number("BENCH_IDLE_SECONDS", 60);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sizes = [1_000, 10_000, 100_000].into_iter().filter(|size| *size < largest).chain([largest]);
    let mut results = Vec::new();
    for size in sizes {
        results.push(runtime.block_on(stages::run(size, if size == largest { idle } else { 20 })));
        // Also if a larger one should not come to its end.
        output::write(&results, write);
    }
}

#[expect(clippy::disallowed_methods, reason = "this is a program of its own")]
fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a whole number"))
}
