//! How a fleet of `PresignedUrl`s is carried: throughput beside a plain client's, memory,
//! starts, idling, rotations, latency. `make bench` writes the result into
//! `docs/performance.md`.
//!
//! Everything runs against a real kube-apiserver and etcd on the same machine, so the
//! ratios within one run count, not the absolute figures. `BENCH_OBJECTS` is the largest
//! fleet (10,000; 0 for none), `BENCH_IDLE_SECONDS` how long it is left alone (60).
//! `BENCH_NEIGHBOURS` is how many objects another namespace creates while URLs are renewed
//! (20,000; 0 skips the renewals beside other namespaces). `BENCH_SIGNERS` is how many objects have one
//! `ClusterSigner` (as many as the largest fleet, 10,000 at most; 0 skips them). `BENCH_SESSIONS` is how many
//! are signed with sessions (5,000, and no more than the largest fleet; 0 skips them).
//!
//! With `--plots` nothing is measured: the plots are drawn again from `docs/performance/*.json`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a program for developers")]
#![expect(clippy::print_stdout, reason = "a program for developers")]
#![expect(clippy::cast_precision_loss, reason = "counts are small")]

mod bench_fleet;

use bench_fleet::{neighbours, output, sessions, signers, stages, table};
use testbed::number;

fn main() {
    let asked = |flag: &str| std::env::args().any(|argument| argument == flag);
    if asked("--plots") {
        return output::redraw();
    }
    let write = asked("--write");
    let largest = number("BENCH_OBJECTS", 10_000);
    let idle = number("BENCH_IDLE_SECONDS", 60);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sizes = [1_000, 10_000, 100_000].into_iter().filter(|size| *size < largest);
    let sizes = sizes.chain((largest > 0).then_some(largest));
    let mut results = Vec::new();
    for size in sizes {
        results.push(runtime.block_on(stages::run(size, if size == largest { idle } else { 20 })));
        // Also if a larger one should not come to its end.
        output::write(&results, write);
    }
    let signed = number("BENCH_SIGNERS", largest.min(10_000));
    if signed > 0 {
        let signed = runtime.block_on(signers::run(signed));
        output::write_part("signers", &signed, table::render_signers, write);
    }
    let of_sessions = number("BENCH_SESSIONS", largest.min(5_000));
    if of_sessions > 0 {
        let of_sessions = runtime.block_on(sessions::run(of_sessions));
        output::write_part("sessions", &of_sessions, table::render_sessions, write);
    }
    let creations = number("BENCH_NEIGHBOURS", 20_000);
    if creations > 0 {
        let neighbours = runtime.block_on(neighbours::run(creations));
        output::write_part("neighbours", &neighbours, table::render_neighbours, write);
    }
}
