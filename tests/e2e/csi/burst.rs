//! How long pods take from being applied until they are ready, with a CSI volume and with a Secret as a volume.

use std::fmt::Write as _;
use std::time::Instant;

use super::faults;
use super::pod::{self, CsiPod};
use crate::cluster::Cluster;
use crate::page;

/// How many pods of each kind are compared, one after the other (`CSI_TURNS`).
const TURNS: u64 = 100;

/// How many pods start at once.
const AT_ONCE: usize = 50;

/// Measures both, and puts the figures into `docs/performance.md`.
pub fn measure(cluster: &Cluster) -> bool {
    faults::prepare(cluster);
    let turns = testbed::number("CSI_TURNS", TURNS);
    let [secret, csi] = compare(cluster, turns);
    let mut table = "| pods | ready after, median | 99th percentile |\n|---|---:|---:|\n".to_owned();
    for (kind, seconds) in [("a Secret as a volume", &secret), ("a CSI volume", &csi)] {
        let (median, most) = (quantile(seconds, 50), quantile(seconds, 99));
        writeln!(table, "| {turns} with {kind}, one by one | {median:.2} s | {most:.2} s |").unwrap();
    }
    let all = start_at_once(cluster, AT_ONCE);
    writeln!(table, "| {AT_ONCE} with a CSI volume, at once | all: {all:.1} s | |").unwrap();
    page::put("bench-csi-pods", &table);
    true
}

/// Starts so many pods at once, and returns the seconds until all were ready.
pub fn start_at_once(cluster: &Cluster, count: usize) -> f64 {
    let pods: Vec<CsiPod> = (0..count).map(|number| CsiPod::new(&format!("burst-{number}"))).collect();
    let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
    let begun = Instant::now();
    pod::create(cluster, &pods);
    pod::await_ready(cluster, &names);
    let seconds = begun.elapsed().as_secs_f64();
    let url = pod::read(cluster, names[count - 1], "/urls/url");
    assert!(url.contains("X-Amz-Signature"), "the last one has a URL");
    pod::delete(cluster, &names);
    seconds
}

/// The seconds until pods with a Secret as a volume, and pods with a CSI volume, were ready, each in order.
fn compare(cluster: &Cluster, turns: u64) -> [Vec<f64>; 2] {
    let mut seconds = [Vec::new(), Vec::new()];
    for turn in 0..turns {
        // Each kind is the first one in half of the turns.
        let first = usize::from(turn % 2 == 1);
        for kind in [first, 1 - first] {
            let pod = CsiPod { has_secret_volume: kind == 0, ..CsiPod::new(&format!("turn-{turn}-{kind}")) };
            seconds[kind].push(time(cluster, &pod));
        }
    }
    for of_kind in &mut seconds {
        of_kind.sort_by(f64::total_cmp);
    }
    seconds
}

/// A share of values, which are in order, is not above this one.
fn quantile(values: &[f64], percent: usize) -> f64 {
    values[(values.len() * percent).div_ceil(100).max(1) - 1]
}

/// The seconds until a pod is ready.
fn time(cluster: &Cluster, pod: &CsiPod) -> f64 {
    let begun = Instant::now();
    pod.create(cluster);
    pod::await_ready(cluster, &[&pod.name]);
    let seconds = begun.elapsed().as_secs_f64();
    pod::delete(cluster, &[&pod.name]);
    seconds
}
